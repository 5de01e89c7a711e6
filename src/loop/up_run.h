/* up_run.h - a run of the pipeline as a process: `gristmill run -f FILE --trigger N`. It ends with the one that started it; what
 * it did is in the cache. */
#ifndef GM_LOOP_UP_RUN_H
#define GM_LOOP_UP_RUN_H

#include "loop/retrain.h"
#include "loop/up_child.h"

typedef struct gm_up_trainer {
    const char *program, *file;          /* borrowed */
    char out_path[4096], err_path[4096]; /* what it prints: of the newest run */
    gm_child child;
    char words[256]; /* its error's first line */
} gm_up_trainer;

/* dir: a folder that is there. */
void gm_up_trainer_init(gm_up_trainer *r, const char *program, const char *file, const char *dir);
gm_retrain_runner gm_up_runner(gm_up_trainer *r);

#endif
