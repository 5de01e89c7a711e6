/* program_session.c - a feature program applied again and again by one thread: see gm_program_session.
 *
 * It computes nothing itself: room is kept here, and the sources and chains of program.c run in it.
 */
#include <stdlib.h>

#include "feature/program_internal.h"

struct gm_program_session {
    const gm_program *p;
    gm_arena *lasting;   /* the room's arrays                                        */
    gm_arena *of_size;   /* matrix and buffers; begun anew for a larger table        */
    gm_arena *call;      /* of one call: columns as expressions see them, memos      */
    gm_source_room room;
    int64_t capacity; /* rows */
    double *data;     /* [width][capacity] */
    double *buffers;
    gm_matrix matrix; /* of the last call */
};

static gm_rc out_of_memory(gm_err *err)
{
    return gm_err_set(err, GM_ENOMEM, "not enough memory to apply the feature program");
}

static gm_rc make_room(gm_program_session *w, gm_err *err)
{
    const gm_program *p = w->p;
    if (!gm_source_room_make(p, w->lasting, &w->room)) return out_of_memory(err);
    w->room.placed = true;
    w->room.work = GM_ARENA_ARRAY(w->lasting, gm_expr_work *, p->sources_count);
    if (!w->room.work) return out_of_memory(err);
    gm_rc rc = GM_OK;
    for (size_t i = 0; !rc && i < p->sources_count; i++)
        if (p->sources[i].expr) rc = gm_expr_work_new(p->sources[i].expr, &w->room.work[i], err);
    return rc;
}

gm_rc gm_program_session_new(const gm_program *p, gm_program_session **out, gm_err *err)
{
    gm_program_session *w = calloc(1, sizeof(*w));
    if (!w) return out_of_memory(err);
    *w = (gm_program_session){ .p = p, .lasting = gm_arena_new(0), .of_size = gm_arena_new(0), .call = gm_arena_new(0) };
    gm_rc rc = w->lasting && w->of_size && w->call ? make_room(w, err) : out_of_memory(err);
    if (rc) gm_program_session_free(w);
    else *out = w;
    return rc;
}

void gm_program_session_free(gm_program_session *w)
{
    if (!w) return;
    for (size_t i = 0; w->room.work && i < w->p->sources_count; i++) gm_expr_work_free(w->room.work[i]);
    gm_arena_free(w->call);
    gm_arena_free(w->of_size);
    gm_arena_free(w->lasting);
    free(w);
}

static gm_rc grow(gm_program_session *w, int64_t rows, gm_err *err)
{
    if (w->data && rows <= w->capacity) return GM_OK;
    gm_arena_reset(w->of_size);
    w->data = NULL;
    w->capacity = rows;
    w->buffers = gm_block_buffers(w->p, rows, w->of_size);
    gm_rc rc = w->buffers ? gm_program_new_matrix(w->p, rows, w->of_size, &w->matrix, err) : out_of_memory(err);
    if (!rc) w->data = w->matrix.data;
    return rc;
}

gm_rc gm_program_session_apply(gm_program_session *w, const gm_table *t, const gm_matrix **out, gm_err *err)
{
    const gm_program *p = w->p;
    if (t->columns_count != p->inputs_count)
        return gm_err_set(err, GM_EINVALID, "the features are made of %zu columns, not of %zu", p->inputs_count, t->columns_count);
    gm_rc rc = grow(w, t->rows, err);
    gm_arena_rewind(w->call);
    if (!rc) rc = gm_program_sources_into(p, t, false, &w->room, w->call, err);
    if (!rc) rc = gm_features_apply(p, w->room.values, t->rows, w->buffers, w->data, w->call, err);
    if (rc) return rc;
    w->matrix = (gm_matrix){ .data = w->data, .rows = t->rows, .cols = p->width, .names = p->names };
    *out = &w->matrix;
    return GM_OK;
}
