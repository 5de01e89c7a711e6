/* sections.h - the parameter tables of gristmill.yaml's sections: reading, JSON Schema and reference pages share them. */
#ifndef GM_PIPE_SECTIONS_H
#define GM_PIPE_SECTIONS_H

#include "base/param.h"

extern const gm_param gm_section_top[], gm_section_data[], gm_section_features[], gm_section_join[], gm_section_train[],
    gm_section_split[], gm_section_step[], gm_section_keep[], gm_section_govern[],
    gm_section_deploy[], gm_section_monitor[], gm_section_labels[], gm_section_retrain[];

#endif
