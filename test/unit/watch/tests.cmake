gm_test(unit/watch/test_schedule.c USES watch LABELS unit)
