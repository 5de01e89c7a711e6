/* trainer_list.h - every built-in trainer, one line each, in alphabetical order of its name. */
#ifndef GM_TRAIN_TRAINER_LIST_H
#define GM_TRAIN_TRAINER_LIST_H

#define GM_TRAINER_LIST(X) \
    X(gm_trainer_lightgbm) \
    X(gm_trainer_linear)   \
    X(gm_trainer_logistic) \
    X(gm_trainer_xgboost)

#endif
