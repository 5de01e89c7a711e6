/* onnx_loops.c - see onnx_loops.h. */
#include "model/onnx_loops.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "model/onnx_read.h"

/* An operator of that name in any domain: rather one too many. */
static bool is(const Onnx__NodeProto *n, const char *op)
{
    return n->op_type && strcmp(n->op_type, op) == 0;
}

/* The runtime looks whether it is to stop before each node that it runs, and constants are none. */
static bool has_steps(const Onnx__GraphProto *g)
{
    for (size_t i = 0; i < g->n_node; i++)
        if (!is(g->node[i], "Constant")) return true;
    return false;
}

static gm_rc look_at(Onnx__NodeProto *const *nodes, size_t count, bool *loops, gm_err *err);

static gm_rc look_into(const Onnx__NodeProto *n, const Onnx__GraphProto *g, bool *loops, gm_err *err)
{
    if (is(n, "Loop") && !has_steps(g)) {
        gm_rc rc =
            gm_err_set(err, GM_EUNSUPPORTED, "the model's Loop \"%.100s\" does nothing, however often, and could not be stopped",
                       n->name ? n->name : "");
        gm_err_hint(err, "Leave the node out, or give its body something to compute.");
        return rc;
    }
    return look_at(g->node, g->n_node, loops, err);
}

/* How deeply graphs stand in graphs was limited when the file was unpacked. */
static gm_rc look_at(Onnx__NodeProto *const *nodes, size_t count, bool *loops, gm_err *err)
{
    gm_rc rc = GM_OK;
    for (size_t i = 0; !rc && i < count; i++) {
        const Onnx__NodeProto *n = nodes[i];
        *loops |= is(n, "Loop");
        for (size_t k = 0; !rc && k < n->n_attribute; k++) {
            const Onnx__AttributeProto *p = n->attribute[k];
            if (p->g) rc = look_into(n, p->g, loops, err);
            for (size_t j = 0; !rc && j < p->n_graphs; j++) rc = look_into(n, p->graphs[j], loops, err);
        }
    }
    return rc;
}

static gm_rc look(const void *bytes, size_t len, bool *loops, gm_err *err)
{
    Onnx__ModelProto *m = NULL;
    gm_rc rc = gm_onnx_unpack(bytes, len, &m, err);
    if (rc) return rc;
    rc = look_at(m->graph->node, m->graph->n_node, loops, err);
    for (size_t i = 0; !rc && i < m->n_functions; i++) rc = look_at(m->functions[i]->node, m->functions[i]->n_node, loops, err);
    onnx__model_proto__free_unpacked(m, NULL);
    return rc;
}

gm_rc gm_onnx_loops(const char *path, bool *out_loops, gm_err *err)
{
    struct stat st;
    bool loops = false;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return gm_err_errno(err, errno, "open", path);
    size_t len = fstat(fd, &st) == 0 && st.st_size > 0 ? (size_t)st.st_size : 0;
    void *map = len ? mmap(NULL, len, PROT_READ, MAP_PRIVATE, fd, 0) : MAP_FAILED;
    gm_rc rc = len && map == MAP_FAILED ? gm_err_errno(err, errno, "read", path) : GM_OK;
    (void)close(fd);
    if (map != MAP_FAILED && memmem(map, len, "Loop", strlen("Loop"))) rc = look(map, len, &loops, err);
    if (map != MAP_FAILED) (void)munmap(map, len);
    if (!rc) *out_loops = loops;
    return rc;
}
