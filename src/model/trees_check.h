/* trees_check.h - for the readers of this room: is a tree that came from a file safe to walk? */
#ifndef GM_MODEL_TREES_CHECK_H
#define GM_MODEL_TREES_CHECK_H

#include "model/trees.h"

enum {
    GM_TREES_MAX = 1 << 20,           /* trees in a model         */
    GM_TREE_NODES_MAX = 1 << 26,      /* nodes in one tree        */
    GM_TREE_DEPTH_MAX = 4096,         /* splits from root to leaf */
    GM_TREES_OUTPUTS_MAX = 1 << 16,   /* classes                  */
    GM_TREES_FEATURES_MAX = 1 << 24
};

/* Every walk from the root ends at a leaf: children exist, no node has two parents, features are below features_count, numeric
 * thresholds are not NaN, leaves are finite, covers are finite and not negative. Nodes that no walk reaches are not looked at.
 * number  of the tree, for messages
 * Errors  GM_ECORRUPT naming tree and node; GM_ENOMEM */
gm_rc gm_tree_check(const gm_tree *t, int32_t number, int32_t features_count, gm_arena *a, gm_err *err);

#endif
