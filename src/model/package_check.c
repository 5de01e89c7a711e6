/* package_check.c - model.onnx in ONNX Runtime against our own engine, before a package is accepted. */
#include "package.h"

#include "base/fs.h"

/* prediction difference - how far ONNX Runtime's answer is from ours.
 *
 *   d = |theirs - ours| / max(1, |ours|)
 *
 * NaN, infinities   both NaN, or equal: 0; NaN or an infinity on one side only: infinity
 * Source            by definition: absolute for probabilities and small values, relative for large ones, as float32 is
 * Checked           test_package.c, by hand
 */
static double difference(double ours, double theirs)
{
    if (ours == theirs || (isnan(ours) && isnan(theirs))) return 0;
    double d = fabs(theirs - ours) / fmax(1, fabs(ours));
    return isnan(d) ? INFINITY : d;
}

static gm_rc compare(const double *ours, const double *theirs, int64_t rows, int64_t width, double tolerance,
                     gm_package_difference *out, gm_err *err)
{
    gm_package_difference d = { .rows = rows };
    for (int64_t i = 0; i < rows * width; i++) {
        double now = difference(ours[i], theirs[i]);
        if (i > 0 && now <= d.worst) continue;
        d.worst = now;
        d.worst_row = i / width;
        d.ours = ours[i];
        d.runtime = theirs[i];
    }
    *out = d;
    if (d.worst <= tolerance) return GM_OK;
    gm_rc rc = gm_err_set(err, GM_EREFUSED, "model.onnx differs from our own engine by %.3g in row %lld of %lld: %.9g, we say %.9g",
                          d.worst, (long long)d.worst_row, (long long)rows, d.runtime, d.ours);
    gm_err_hint(err, "A package may differ by at most %g, so this model was not published.", tolerance);
    return rc;
}

gm_rc gm_package_check(const char *dir, const gm_table *rows, const char *output, const double *ours, int64_t width, double tolerance,
                       gm_package_difference *out, gm_err *err)
{
    gm_ort *ort = NULL;
    double *theirs = NULL;
    int64_t their_width = 0;
    gm_arena *scratch = gm_arena_new(0);
    const char *path = scratch ? gm_path_join(scratch, dir, "model.onnx") : NULL;
    gm_rc rc = path ? gm_ort_open(path, &ort, err) : gm_err_set(err, GM_ENOMEM, "no memory for checking a package");
    if (!rc) rc = gm_ort_predict(ort, rows, output, scratch, &theirs, &their_width, err);
    if (!rc && their_width != width)
        rc = gm_err_set(err, GM_EREFUSED, "the output \"%s\" of model.onnx has %lld columns, our own engine gives %lld", output,
                        (long long)their_width, (long long)width);
    else if (!rc)
        rc = compare(ours, theirs, rows->rows, width, tolerance > 0 ? tolerance : GM_PACKAGE_TOLERANCE, out, err);
    gm_ort_close(ort);
    gm_arena_free(scratch);
    return rc;
}
