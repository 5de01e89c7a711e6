gm_test(unit/watch/test_alerts.c USES watch LABELS unit)
gm_test(unit/watch/test_schedule.c USES watch LABELS unit)
gm_test(unit/watch/test_estimate_reference.c USES watch LABELS unit conformance)
gm_test(unit/watch/test_drift_reference.c USES watch LABELS unit conformance)
