// A result from what all blocks of a launch have stored, without a launch more: the block that comes last makes it. Which one that
// is does not matter to the result, which is added up in an order of its own.
#pragma once
#include "types.cuh"

// Whether this block is the last of `blocks` to come here: it can read what each of them stored before. `count` is zero before
// the first one comes and again when the last one has. For all threads of a block.
__device__ __forceinline__ bool comes_last(word* count, word blocks)
{
    __shared__ bool last;
    __syncthreads(); // the block has stored all
    if (threadIdx.x == 0)
    {
        __threadfence(); // which others see before they see it counted
        last = atomicInc(count, blocks - 1) == blocks - 1;
        __threadfence(); // and it sees what those stored that it sees counted
    }
    __syncthreads(); // the first thread has come back
    return last;
}
