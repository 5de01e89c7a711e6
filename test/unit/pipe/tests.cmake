gm_test(unit/pipe/test_foreign_trees.c USES pipe LABELS unit)
gm_test(unit/pipe/test_tree.c USES pipe LABELS unit)
gm_test(unit/pipe/test_scorer_session.c USES pipe LABELS unit)
target_link_options(test_scorer_session PRIVATE -Wl,--wrap=malloc,--wrap=calloc,--wrap=realloc,--wrap=aligned_alloc) # counted
