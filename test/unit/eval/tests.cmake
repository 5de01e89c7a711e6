gm_test(unit/eval/test_metrics.c USES eval LABELS unit)
gm_test(unit/eval/test_metrics_reference.c USES eval LABELS unit conformance)
gm_test(unit/eval/test_gates.c USES eval LABELS unit)
