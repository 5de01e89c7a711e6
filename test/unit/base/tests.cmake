gm_test(unit/base/test_node.c USES base LABELS unit)
