"""Give each function of NAS-Bench-201 the mean of its cells: python function_means.py TABLE OUTPUT.

Cells that compute the same function were each trained and timed once, so that a search can profit from lucky ones. In
the table that is written, all columns of equal cells are alike; with `space: {merge_equal: true}` each function is
measured once.
"""

import sys

import pandas as pd

from nagevo.spaces.nasbench201.space import NASBench201Space


def main() -> None:
    source, output = sys.argv[1:]
    table = pd.read_parquet(source)
    space = NASBench201Space(merge_equal=True)
    functions = space.to_text(space.normal(space.from_text(table["architecture"].tolist())))
    means = table.drop(columns="architecture").groupby(functions).transform("mean")
    means.insert(0, "architecture", table["architecture"])
    means.to_parquet(output)
    print(f"{len(set(functions))} functions of {len(table)} cells")


if __name__ == "__main__":
    main()
