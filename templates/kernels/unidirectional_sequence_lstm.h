/* SPDX-License-Identifier: 0BSD */
/*
 * UNIDIRECTIONAL_SEQUENCE_LSTM: int8 input, output and hidden state, int16 cell state.
 *
 *     cell   = sigmoid(forget gate) * cell + sigmoid(input gate) * tanh(cell gate)
 *     hidden = sigmoid(output gate) * tanh(cell)
 *
 * Layouts: rows of input and output begin batch * batch_stride + step * step_stride rows after the
 * start; weights and biases [gate][unit][...] with the gates input, forget, cell, output; states
 * [batch][unit]. The biases already include the contributions of the zero points.
 */
#ifndef TFLM_EXT_UNIDIRECTIONAL_SEQUENCE_LSTM_H
#define TFLM_EXT_UNIDIRECTIONAL_SEQUENCE_LSTM_H

#include <stdint.h>
#include <string.h>

#include "arithmetic.h"
#include "fully_connected.h"

typedef struct {
    int32_t batches;
    int32_t steps;
    int32_t inputs;
    int32_t units;
    int32_t batch_stride; /* in rows of input and output */
    int32_t step_stride;
    int32_t input_multipliers[4]; /* one per gate */
    int32_t input_shifts[4];
    int32_t recurrent_multipliers[4];
    int32_t recurrent_shifts[4];
    int32_t kept_multiplier; /* forget gate times cell state */
    int32_t kept_shift;
    int32_t added_multiplier; /* input gate times cell gate */
    int32_t added_shift;
    int32_t hidden_multiplier; /* output gate times tanh of the cell state */
    int32_t hidden_shift;
    int32_t hidden_zero_point;
    int32_t tanh_multiplier; /* from cell state to the argument of tanh */
    int32_t tanh_shift;
    int32_t cell_min;
    int32_t cell_max;
} tflm_ext_unidirectional_sequence_lstm_t;

/* Tables of all gates. */
typedef struct {
    const int8_t *input_weights;
    const int8_t *recurrent_weights;
    const int32_t *input_bias;
    const int32_t *recurrent_bias;
    const int16_t *entries; /* of tanh */
} tflm_ext_lstm_tables_t;

static inline int32_t tflm_ext_lstm_clamp(int32_t value)
{
    return tflm_ext_clamp(value, INT16_MIN, INT16_MAX);
}

/* The argument of a gate's activation function for a unit. */
static inline int32_t tflm_ext_lstm_gate(const tflm_ext_unidirectional_sequence_lstm_t *op,
                                         const tflm_ext_lstm_tables_t *tables, int32_t gate,
                                         int32_t unit, const int8_t *input, const int8_t *hidden)
{
    const int32_t row = (gate * op->units) + unit;
    const int32_t from_input =
        tables->input_bias[row] +
        tflm_ext_dot(input, &tables->input_weights[row * op->inputs], op->inputs);
    const int32_t from_hidden =
        tables->recurrent_bias[row] +
        tflm_ext_dot(hidden, &tables->recurrent_weights[row * op->units], op->units);

    return tflm_ext_lstm_clamp(
        tflm_ext_lstm_clamp(
            tflm_ext_requantize(from_input, op->input_multipliers[gate], op->input_shifts[gate])) +
        tflm_ext_lstm_clamp(tflm_ext_requantize(from_hidden, op->recurrent_multipliers[gate],
                                                op->recurrent_shifts[gate])));
}

/* A step of a batch; writes the new hidden state to output. */
static inline void tflm_ext_lstm_step(const tflm_ext_unidirectional_sequence_lstm_t *op,
                                      const tflm_ext_lstm_tables_t *tables, const int8_t *input,
                                      const int8_t *hidden, int16_t *cell, int8_t *output)
{
    for (int32_t unit = 0; unit < op->units; ++unit) {
        const int32_t input_gate = tflm_ext_sigmoid_int16(
            tables->entries, tflm_ext_lstm_gate(op, tables, 0, unit, input, hidden));
        const int32_t forget_gate = tflm_ext_sigmoid_int16(
            tables->entries, tflm_ext_lstm_gate(op, tables, 1, unit, input, hidden));
        const int32_t cell_gate = tflm_ext_tanh_int16(
            tables->entries, tflm_ext_lstm_gate(op, tables, 2, unit, input, hidden), 3, 0);
        const int32_t output_gate = tflm_ext_sigmoid_int16(
            tables->entries, tflm_ext_lstm_gate(op, tables, 3, unit, input, hidden));

        const int32_t kept = tflm_ext_lstm_clamp(tflm_ext_requantize(
            forget_gate * (int32_t)cell[unit], op->kept_multiplier, op->kept_shift));
        const int32_t added = tflm_ext_lstm_clamp(
            tflm_ext_requantize(input_gate * cell_gate, op->added_multiplier, op->added_shift));
        const int32_t state =
            tflm_ext_clamp(tflm_ext_lstm_clamp(kept + added), op->cell_min, op->cell_max);
        const int32_t activated =
            tflm_ext_tanh_int16(tables->entries, state, op->tanh_multiplier, op->tanh_shift);
        const int32_t scaled =
            tflm_ext_requantize(output_gate * activated, op->hidden_multiplier, op->hidden_shift);

        cell[unit] = (int16_t)state;
        output[unit] = (int8_t)tflm_ext_clamp(scaled + op->hidden_zero_point, INT8_MIN, INT8_MAX);
    }
}

static inline void
tflm_ext_unidirectional_sequence_lstm(const tflm_ext_unidirectional_sequence_lstm_t *op,
                                      const int8_t *input, const int8_t *input_weights,
                                      const int8_t *recurrent_weights, const int32_t *input_bias,
                                      const int32_t *recurrent_bias, const int16_t *entries,
                                      int8_t *hidden, int16_t *cell, int8_t *output)
{
    const tflm_ext_lstm_tables_t tables = {
        input_weights, recurrent_weights, input_bias, recurrent_bias, entries,
    };

    for (int32_t batch = 0; batch < op->batches; ++batch) {
        int8_t *state = &hidden[batch * op->units];
        for (int32_t step = 0; step < op->steps; ++step) {
            const int32_t row = (batch * op->batch_stride) + (step * op->step_stride);
            int8_t *out = &output[row * op->units];
            tflm_ext_lstm_step(op, &tables, &input[row * op->inputs], state,
                               &cell[batch * op->units], out);
            (void)memcpy(state, out, (size_t)op->units);
        }
    }
}

#endif
