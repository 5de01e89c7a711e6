gm_test(unit/base/test_node.c USES base LABELS unit)
gm_test(unit/base/test_expr_parse.c USES base LABELS unit)
gm_test(unit/base/test_expr_check.c USES base LABELS unit)
gm_test(unit/base/test_expr_eval.c USES base LABELS unit)
