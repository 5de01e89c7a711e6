/* trees_check.c - see trees_check.h. */
#include "model/trees_check.h"

typedef struct visit {
    int32_t node, depth;
} visit;

static gm_rc check_node(const gm_tree_node *n, int32_t at, int32_t number, int32_t features_count, gm_err *err)
{
    if (!(n->cover >= 0 && isfinite(n->cover)))
        return gm_err_set(err, GM_ECORRUPT, "tree %d, node %d: a cover that is negative or not a number", number, at);
    if (n->feature < 0) {
        if (isfinite(n->value)) return GM_OK;
        return gm_err_set(err, GM_ECORRUPT, "tree %d, node %d: the leaf's value is not finite", number, at);
    }
    if (n->feature >= features_count)
        return gm_err_set(err, GM_ECORRUPT, "tree %d, node %d: feature %d of %d", number, at, n->feature, features_count);
    if (!n->categorical && isnan(n->threshold))
        return gm_err_set(err, GM_ECORRUPT, "tree %d, node %d: the threshold is not a number", number, at);
    return GM_OK;
}

gm_rc gm_tree_check(const gm_tree *t, int32_t number, int32_t features_count, gm_arena *a, gm_err *err)
{
    bool *seen = GM_ARENA_ARRAY(a, bool, t->count);
    visit *stack = GM_ARENA_ARRAY(a, visit, t->count);
    if (!seen || !stack) return gm_err_set(err, GM_ENOMEM, "not enough memory to check tree %d", number);

    int32_t waiting = 0;
    stack[waiting++] = (visit){ 0, 0 };
    seen[0] = true;
    while (waiting) { /* each node is pushed once, so that the stack holds at most `count` */
        visit v = stack[--waiting];
        const gm_tree_node *n = &t->nodes[v.node];
        gm_rc rc = check_node(n, v.node, number, features_count, err);
        if (rc) return rc;
        if (n->feature < 0) continue;
        if (v.depth == GM_TREE_DEPTH_MAX)
            return gm_err_set(err, GM_ECORRUPT, "tree %d is deeper than %d", number, GM_TREE_DEPTH_MAX);
        int32_t children[2] = { n->left, n->right };
        for (int i = 0; i < 2; i++) {
            int32_t child = children[i];
            if (child < 0 || child >= t->count)
                return gm_err_set(err, GM_ECORRUPT, "tree %d, node %d: child %d of %d nodes", number, v.node, child, t->count);
            if (seen[child])
                return gm_err_set(err, GM_ECORRUPT, "tree %d, node %d: child %d has two parents", number, v.node, child);
            seen[child] = true;
            stack[waiting++] = (visit){ child, v.depth + 1 };
        }
    }
    return GM_OK;
}
