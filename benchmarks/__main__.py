"""`make bench`: run every benchmark, one after the other."""

import runpy

BENCHMARKS = (
    "benchmarks.flow",
    "benchmarks.flow_processes",
    "benchmarks.decode",
    "benchmarks.packs",
    "benchmarks.loader",
    "benchmarks.prefetch",
    "benchmarks.pretrain_step",
    "benchmarks.crops250",
    "benchmarks.many_images",
    "benchmarks.inference",
)
"""`benchmarks.flow_gpu` and `benchmarks.pretrain_gpu` are run by hand where there is a GPU, `benchmarks.serving` where
its peers are installed, `benchmarks.serving_stress` where ten minutes are to spare, `benchmarks.retrieval` with
`OMP_NUM_THREADS=1`."""


def main() -> None:
    """Run each benchmark module as a program."""
    for name in BENCHMARKS:
        print(f"\n## {name}\n", flush=True)
        runpy.run_module(name, run_name="__main__")


if __name__ == "__main__":
    main()
