/* fuzz_node.h - what YAML and JSON must give for any bytes: a tree, or one error. Of YAML every node and every error has its
 * place; of JSON (files that programs write) only syntax errors have one. */
#ifndef GM_FUZZ_NODE_H
#define GM_FUZZ_NODE_H

#include <stdlib.h>
#include <string.h>

#include "base/node.h"

static inline void check_tree(const gm_node *n, bool places, int depth)
{
    gm_assert(depth <= 65 && (!places || (n->pos.line > 0 && n->pos.col > 0)));
    if (n->kind == GM_NODE_SCALAR) {
        gm_assert(n->text && n->text[n->text_len] == 0);
        return;
    }
    for (size_t i = 0; i < n->count; i++) {
        if (n->kind == GM_NODE_MAP) {
            gm_assert(n->keys[i] && (!places || n->key_pos[i].line > 0));
            const gm_node *found = gm_node_get(n, n->keys[i]);
            gm_assert(found == n->items[i]); /* keys are distinct */
        }
        check_tree(n->items[i], places, depth + 1);
    }
}

static inline void check_reader(gm_rc (*reader)(const char *, size_t, const char *, gm_arena *, gm_node **, gm_err *), bool places,
                                const uint8_t *data, size_t size)
{
    gm_arena *a = gm_arena_new(256 << 20);
    gm_node *root = NULL;
    gm_err err = { 0 };
    if (!a) abort();
    gm_rc rc = reader((const char *)data, size, "input", a, &root, &err);
    if (rc == GM_OK)
        check_tree(root, places, 0);
    else
        gm_assert(rc == GM_EINVALID && root == NULL && err.message[0] && (!places || err.line > 0));
    gm_arena_free(a);
}

#endif
