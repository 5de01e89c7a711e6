"""tables.py - a generated table with everything that tables have: nulls, categories that only later rows know, infinities, extreme
numbers, dates, bools; and the pipeline that trains one trainer on one task with it."""
import random

TRAINERS = {"binary": ["logistic", "xgboost", "lightgbm"], "multiclass": ["logistic", "xgboost", "lightgbm"],
            "regression": ["linear", "xgboost", "lightgbm"]}
CASES = [(trainer, task) for task in TRAINERS for trainer in TRAINERS[task]]
HEAD = ["id", "at", "age", "amount", "ratio", "city", "plan", "opened", "active", "target"]


def number(r):
    """Mostly tame, at times an infinity or as far out as a double goes."""
    u = r.random()
    if u < 0.005:
        return r.choice(["inf", "-inf"])
    if u < 0.02:
        return repr(r.choice([1e300, -1e300, 5e-324, 1.7976931348623157e308, -0.0, 3.4e38, 16777217.0]))
    return repr(r.gauss(0, 1))


def row(i, rows, task, r):
    city = f"city{int(r.paretovariate(0.7)) % 40}"
    if i > rows * 0.85 and r.random() < 0.2:
        city = r.choice(["Atlantis", "El Dorado", 'the "quoted", one'])  # no training row has met these
    age, plan, active = r.randint(18, 90), r.choice(["basic", "plus", "pro"]), r.random() < 0.5
    ratio, amount = number(r), round(r.lognormvariate(3, 1.2), 2)
    tame = float(ratio) if abs(float(ratio)) < 10 else 0.0
    score = 0.03 * (age - 50) + (plan == "basic") - 0.8 * active + tame + 0.01 * amount + (len(city) % 3) * 0.3 + r.gauss(0, 0.7)
    target = {"binary": "yes" if score > 0.3 else "no",
              "multiclass": ["low", "middle", "high", "top"][(score > -0.5) + (score > 0.5) + (score > 1.8)],
              "regression": f"{100 * score:.3f}"}[task]
    day, minute = i * 500 // rows, i * 720000 // rows % 1440  # rows are in the order of time
    at = f"2023-{1 + day // 28 % 12:02d}-{1 + day % 28:02d} {minute // 60:02d}:{minute % 60:02d}:00" if day < 336 else \
        f"2024-{1 + (day - 336) // 28:02d}-{1 + day % 28:02d} {minute // 60:02d}:{minute % 60:02d}:00"
    cells = [f"r{i:06d}", at, age, amount, ratio, city, plan, f"{r.randint(2001, 2022)}-{r.randint(1, 12):02d}-{r.randint(1, 28):02d}",
             str(active).lower(), target]
    for k, share in ((2, 0.1), (3, 0.05), (4, 0.05), (5, 0.08), (6, 0.02), (7, 0.1), (8, 0.05)):
        if r.random() < share:
            cells[k] = ""
    return ",".join('"' + str(c).replace('"', '""') + '"' if '"' in str(c) or "," in str(c) else str(c) for c in cells)


def table(task, rows, seed=1):
    r = random.Random(f"{task} {seed}")
    return "\n".join([",".join(HEAD), *(row(i, rows, task, r) for i in range(rows))]) + "\n"


def pipeline(trainer, task, test="20%"):
    """Dates as parts, one category by its target's mean, the rest as each kind is treated."""
    encode = "" if task == "multiclass" else "  transform: { city: target_encode }\n"
    return f"""pipeline: {trainer}_{task}
data:
  rows: {{ from: rows.csv, key: id, time: at }}
target: target
features:
  add: {{ big: amount > 50 and active, opened_year: year(opened) }}
  use: [age, amount, ratio, city, plan, opened, active, big, opened_year]
{encode}train:
  split: {{ by: time, validation: 20%, test: {test} }}
  try: [{trainer}]
"""
