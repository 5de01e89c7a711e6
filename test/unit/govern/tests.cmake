gm_test(unit/govern/test_card.c USES govern LABELS unit)
gm_test(unit/govern/test_svg.c USES govern LABELS unit)
gm_test(unit/govern/test_lineage.c USES govern LABELS unit)
