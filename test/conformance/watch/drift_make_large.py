#!/usr/bin/env python3
"""Write drift_large.csv: what NannyML's and SciPy's own code gives for samples of more than 10,000 values, which a formula makes.

Usage: drift_make_large.py FOLDER > drift_large.csv      (NannyML 0.13.1 unpacked in FOLDER; NumPy 2.3.5, pandas 2.3.3, SciPy 1.17.1)

Only nannyml/drift/univariate/methods.py is loaded, its imports from the rest of the package replaced by what these methods need of them. The
samples are  floor(10000 frac(i a)) / 10000, i = 1, 2, ...: a = 0.6180339887498949 for the reference, to its power, a = 0.41421356237309515, stretched
and shifted, for the current side. test_drift_reference.c makes the same.
"""
import importlib.util
import math
import sys
import types

import numpy as np
import pandas as pd
from scipy import stats

# rows, rows, power of the reference, stretch, shift
CASES = [(12000, 3000, 2, 1.0, 0.0), (12000, 3000, 1, 1.2, -0.05), (12000, 500, 1, 0.5, 0.6), (10000, 40, 2, 3.0, -1.0), (20000, 60, 1, 1.0, 0.1),
         (20000, 60, 1, 1.0, 0.2), (20000, 60, 1, 1.0, 0.3), (20000, 60, 1, 0.4, 0.55), (12000, 3000, 1, 1.0, 0.004), (12000, 3000, 1, 1.0, 0.01),
         (12000, 3000, 1, 1.0, 0.025), (12000, 3000, 1, 1.0, 0.05), (11000, 10500, 1, 1.0, 0.012), (200000, 3000, 1, 1.0, 0.01), (12000, 3000, 1, 0.0, 2.0)]


def methods_of(folder):
    def module(name, **names):
        sys.modules[name] = types.ModuleType(name)
        sys.modules[name].__dict__.update(names)

    for name in ("nannyml", "nannyml.drift", "nannyml.drift.univariate"):
        module(name, __path__=[])
    module("nannyml._typing", Self=object)
    module("nannyml.base", _remove_nans=lambda data: data.dropna())
    module("nannyml.chunk", Chunker=object)
    module("nannyml.exceptions", InvalidArgumentsException=ValueError, NotFittedException=ValueError)
    module("nannyml.thresholds", Threshold=object, calculate_threshold_values=None)
    spec = importlib.util.spec_from_file_location("nannyml.drift.univariate.methods", folder + "/nannyml/drift/univariate/methods.py")
    loaded = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(loaded)
    return loaded


def sample(count, a):
    return np.array([math.floor(10000 * math.fmod(i * a, 1.0)) / 10000 for i in range(1, count + 1)])


def main(folder):
    methods = methods_of(folder)
    print("detector,program,n,m,power,stretch,shift,value")
    for n, m, power, stretch, shift in CASES:
        ref, cur = sample(n, 0.6180339887498949) ** power, sample(m, 0.41421356237309515) * stretch + shift
        where = f"{n},{m},{power},{stretch!r},{shift!r}"
        for name, method in (("ks", methods.KolmogorovSmirnovStatistic), ("wasserstein", methods.WassersteinDistance)):
            fitted = method(chunker=None, threshold=None)
            fitted._fit(pd.Series(ref))
            print(f"{name},nannyml,{where},{float(fitted._calculate(pd.Series(cur)))!r}")
        print(f"ks,evidently,{where},{float(stats.ks_2samp(ref, cur).pvalue)!r}")


if __name__ == "__main__":
    main(sys.argv[1])
