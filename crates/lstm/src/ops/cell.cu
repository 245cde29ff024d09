// One time step of the cell, pointwise: one thread per hidden unit of a row. The CPU's twin is in cell.rs.

__device__ float sigmoid(float x) { return 1.0f / (1.0f + expf(-x)); }

// projected, product: (N, 4H); before: (N, H); result: (7, N, H) as i, f, g, o, cell, hidden, cell before.
extern "C" __global__ void cell_forward(unsigned int count, unsigned int hidden, const float *projected,
                                        const float *product, const float *before, float *result) {
    unsigned int place = blockIdx.x * blockDim.x + threadIdx.x;
    if (place >= count) return;
    unsigned int start = place / hidden * 4 * hidden + place % hidden;
    float input = sigmoid(projected[start] + product[start]);
    float forget = sigmoid(projected[start + hidden] + product[start + hidden]);
    float candidate = tanhf(projected[start + 2 * hidden] + product[start + 2 * hidden]);
    float output = sigmoid(projected[start + 3 * hidden] + product[start + 3 * hidden]);
    float cell = forget * before[place] + input * candidate;
    result[place] = input;
    result[count + place] = forget;
    result[2 * count + place] = candidate;
    result[3 * count + place] = output;
    result[4 * count + place] = cell;
    result[5 * count + place] = output * tanhf(cell);
    result[6 * count + place] = before[place];
}

// saved: (7, N, H); gradients of hidden and cell: (N, H); result: (N, 4H), gradients of the gates, then (N, H), that of
// the cell before.
extern "C" __global__ void cell_backward(unsigned int count, unsigned int hidden, const float *saved,
                                         const float *hidden_gradient, const float *cell_gradient, float *result) {
    unsigned int place = blockIdx.x * blockDim.x + threadIdx.x;
    if (place >= count) return;
    float input = saved[place], forget = saved[count + place];
    float candidate = saved[2 * count + place], output = saved[3 * count + place];
    float activated = tanhf(saved[4 * count + place]), before = saved[6 * count + place];
    float along_hidden = hidden_gradient[place];
    float along_cell = cell_gradient[place] + along_hidden * output * (1.0f - activated * activated);
    unsigned int start = place / hidden * 4 * hidden + place % hidden;
    result[start] = along_cell * candidate * input * (1.0f - input);
    result[start + hidden] = along_cell * before * forget * (1.0f - forget);
    result[start + 2 * hidden] = along_cell * input * (1.0f - candidate * candidate);
    result[start + 3 * hidden] = along_hidden * activated * output * (1.0f - output);
    result[4 * count + place] = along_cell * forget;
}
