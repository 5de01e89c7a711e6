gm_test(unit/model/test_engine.c USES model LABELS unit)
gm_test(unit/model/test_onnx.c USES model LABELS unit)
gm_test(unit/model/test_onnx_trees.c USES model LABELS unit)
gm_test(unit/model/test_trees_onnx.c USES model LABELS unit)
gm_test(unit/model/test_onnx_loops.c USES model LABELS unit)
gm_test(unit/model/test_package.c USES model LABELS unit)
gm_test(unit/model/test_model_files.c USES model LABELS unit)
gm_test(unit/model/test_explain.c USES model LABELS unit)
gm_test(unit/model/test_trained_onnx.c USES train model LABELS unit)
# For test/conformance/model/check_package.py.
add_executable(make_packages EXCLUDE_FROM_ALL ${CMAKE_SOURCE_DIR}/test/conformance/model/make_packages.c)
target_link_libraries(make_packages PRIVATE gm_flags gm_model)
# For test/conformance/model/check_explain.py.
add_executable(explain_values EXCLUDE_FROM_ALL ${CMAKE_SOURCE_DIR}/test/conformance/model/explain_values.c)
target_link_libraries(explain_values PRIVATE gm_flags gm_model)
# For test/conformance/model/check_trees_onnx.py.
add_executable(trees_onnx_values EXCLUDE_FROM_ALL ${CMAKE_SOURCE_DIR}/test/conformance/model/trees_onnx_values.c)
target_link_libraries(trees_onnx_values PRIVATE gm_flags gm_model)
gm_test(unit/model/test_number_list.c USES model LABELS unit)
