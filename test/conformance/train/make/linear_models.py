"""Reference coefficients of linear models: scikit-learn, converged far below the tolerance of the tests.

Writes, beside this folder, linear_data.csv (200 rows: 5 features, a value, a class of 2, a class of 3) and linear_expected.csv
(model, penalty, strength, output, intercept, w0 .. w4). Run: python make/linear_models.py (needs numpy and scikit-learn).
"""
import pathlib

import numpy as np
import sklearn
from sklearn.linear_model import Lasso, LinearRegression, LogisticRegression, Ridge

HERE = pathlib.Path(__file__).resolve().parent.parent
HEADER = f"# producer: test/conformance/train/make/linear_models.py, scikit-learn {sklearn.__version__}, numpy {np.__version__}, seed 7\n"


def data():
    r = np.random.default_rng(7)
    x = r.normal(size=(200, 5))
    x[:, 1] = 3 + 2 * x[:, 1] + 0.5 * x[:, 0]  # not centred, correlated
    x[:, 3] = r.random(200) < 0.1  # mostly one value
    x[:, 4] = np.where(r.random(200) < 0.85, 1.5, x[:, 4])  # mostly another
    x = np.round(x, 6)
    s = 1.2 * x[:, 0] - 0.4 * x[:, 1] + 0.5 * x[:, 3] + 1.1 * r.normal(size=200) + 1.1
    three = np.digitize(s + 0.8 * x[:, 2], [-0.5, 1.0])
    return x, np.round(s, 6), (s > 0).astype(int), three


def rows_of(name, penalty, strength, model):
    w, b = np.atleast_2d(model.coef_), np.atleast_1d(model.intercept_)
    return [(name, penalty, strength, k, b[k], *w[k]) for k in range(len(b))]


def main():
    x, value, two, three = data()
    with open(HERE / "linear_data.csv", "w") as f:
        f.write(HEADER + "x0,x1,x2,x3,x4,value,two,three\n")
        for i in range(len(x)):
            f.write(",".join(repr(float(v)) for v in [*x[i], value[i], two[i], three[i]]) + "\n")

    out = []
    for alpha in (0.1, 1.0, 50.0):
        out += rows_of("linear", "l2", alpha, Ridge(alpha=alpha, solver="cholesky").fit(x, value))
    out += rows_of("linear", "none", 0.0, LinearRegression().fit(x, value))
    for alpha in (0.01, 0.1, 0.5):
        out += rows_of("linear", "l1", alpha, Lasso(alpha=alpha, tol=1e-14, max_iter=1000000).fit(x, value))
    for c in (0.01, 1.0, 100.0):
        for target in (two, three):
            out += rows_of("logistic", "l2", c, LogisticRegression(C=c, tol=1e-12, max_iter=100000, solver="newton-cg" if target is three else "newton-cholesky").fit(x, target))
    for c in (0.05, 1.0, 10.0):
        for target in (two, three):
            out += rows_of("logistic", "l1", c, LogisticRegression(C=c, l1_ratio=1.0, tol=1e-13, max_iter=2000000, solver="saga").fit(x, target))
    for target in (two, three):
        out += rows_of("logistic", "none", 0.0, LogisticRegression(C=np.inf, tol=1e-12, max_iter=100000, solver="newton-cg").fit(x, target))
    with open(HERE / "linear_expected.csv", "w") as f:
        f.write(HEADER + "model,penalty,strength,output,intercept,w0,w1,w2,w3,w4\n")
        for row in out:
            f.write(",".join(v if isinstance(v, str) else repr(int(v)) if isinstance(v, (int, np.integer)) else repr(float(v)) for v in row) + "\n")


main()
