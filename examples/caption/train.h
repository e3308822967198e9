/* Training of one captioner. */
#ifndef EXAMPLES_CAPTION_TRAIN_H
#define EXAMPLES_CAPTION_TRAIN_H

#include "model.h"
#include "settings.h"

/* Makes the data of these settings. */
bool settings_data(const settings *s, data *d);
/* Makes the model of these settings, not trained yet. */
bool settings_model(const settings *s, const data *d, captioner *m);
/* Trains it to the end or until a signal, with the checkpoint of the settings. curve: the CIDEr-D
 * of held-out scenes after each epoch (not a number where it was not measured), of which the best
 * model is kept, too; NULL: nothing is measured. */
bool train_captioner(const settings *s, const data *d, captioner *m, double *curve, int64_t every);

#endif
