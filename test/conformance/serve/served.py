"""served.py - a small model served by the program, with the rows that are asked and the answers of `gristmill predict` to them."""
import csv

import peer  # noqa: F401  (the path of gm, serving and test_serve)
import gm
import serving
import test_serve

COLUMNS = [("age", "INT64"), ("plan", "BYTES"), ("monthly", "FP64"), ("joined", "BYTES")]


class Served:
    """`with Served() as s`: s.rows are records, s.probabilities and s.labels what they must be answered with, s.url where to ask.

    The model is test_serve's: two numbers, a text and a date; its champion is version 2 of "churn".
    """

    def __init__(self, *args, missing=False):
        self.args, self.missing, self.server = args or ("--log", "off"), missing, None

    def __enter__(self):
        self.project = test_serve.make_project()
        try:
            table = gm.churn(40, 99)
            if self.missing:
                lines = [line.split(",") for line in table.splitlines()]
                for i, column in enumerate((2, 3, 4) * 3, 1):  # plan, monthly, joined
                    lines[i][column] = ""
                table = "".join(",".join(line) + "\n" for line in lines)
            self.project.write("new.csv", table)
            result = self.project.gm("predict", "churn", "new.csv", "--out", "out.csv")
            assert result.code == 0, result
            answers = list(csv.DictReader(self.project.read("out.csv").splitlines()))
            self.probabilities = [float(x["probability"]) for x in answers]
            self.labels = [x["label"] for x in answers]
            self.rows = [{name: record[name] for name, _ in COLUMNS} for record in serving.records(table)]
            self.server = serving.Server(self.project.dir, *self.args)
            self.port = self.server.port
            self.url = f"http://127.0.0.1:{self.port}"
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        if self.server:
            self.server.close()
        self.project.close()

    def tensors(self):
        """[(name, datatype, values)] of the Open Inference Protocol; texts as bytes."""
        return [(name, datatype, [r[name].encode() if datatype == "BYTES" else r[name] for r in self.rows]) for name, datatype in COLUMNS]

    def same(self, probabilities, labels):
        assert list(probabilities) == self.probabilities, (list(probabilities)[:3], self.probabilities[:3])
        assert [x.decode() if isinstance(x, bytes) else x for x in labels] == self.labels, labels

    def same_records(self, records):
        self.same([r["probability"] for r in records], [r["label"] for r in records])
