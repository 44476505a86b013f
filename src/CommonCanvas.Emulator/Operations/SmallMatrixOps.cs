using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using CommonCanvas.Emulator.Execution;

namespace CommonCanvas.Emulator.Operations;

/// <summary>
/// Tensor-core instructions that kernels of ours could use and seldom would: sums of f16, and m8n8k4 of compute capability 7.0,
/// where two groups of four lanes, 16 apart, make a product of 8x4 and 4x8 (PTX ISA, Matrix Fragments for mma.m8n8k4). Sums are
/// made in single precision and rounded once.
/// </summary>
internal static unsafe class SmallMatrixOps
{
    /// <summary>Flags of <see cref="Instruction.Option"/>: A lies by columns, B by rows, the result or the addend is f16.</summary>
    public const int ColumnsOfA = 1, RowsOfB = 2, HalfResult = 4, HalfAddend = 8;

    const MethodImplOptions Now = MethodImplOptions.AggressiveOptimization;

    /// <summary>m16n8k8 and m16n8k16 with two registers of f16 for D (0, 1) and C (10, 11); 2, 3, 12 and 13 are places for four of f32.</summary>
    [MethodImpl(Now)]
    public static void MultiplyAddHalf(Warp* warp, Instruction* i)
    {
        if (!MatrixOps.IsWhole(warp, i)) return;
        int* places = stackalloc int[] { i->Operand[2], i->Operand[3], i->Operand[12], i->Operand[13] };
        var single = *i;
        for (int c = 0; c < 4; c++)
        {
            (single.Operand[c], single.Operand[10 + c]) = (places[c], places[c]);
            var from = (Vector512<uint>*)(warp->Registers + i->Operand[10 + c / 2]);
            for (int half = 0; half < 2; half++)
                ((Vector512<float>*)(warp->Registers + places[c]))[half] = F16.Widen(c % 2 == 0 ? from[half] : from[half] >> 16);
        }
        MatrixOps.MultiplyAdd<Fragment16<F16>>(warp, &single);
        for (int d = 0; d < 2; d++)
            for (int half = 0; half < 2; half++)
            {
                Vector512<float> low = ((Vector512<float>*)(warp->Registers + places[2 * d]))[half], high = ((Vector512<float>*)(warp->Registers + places[2 * d + 1]))[half];
                ((Vector512<uint>*)(warp->Registers + i->Operand[d]))[half] = F16.Narrow(low) | (F16.Narrow(high) << 16);
            }
    }

    /// <summary>m8n8k4: D in operands from 0, A in 8 and 9, B in 10 and 11, C from 12.</summary>
    [MethodImpl(Now)]
    public static void MultiplyAdd(Warp* warp, Instruction* i)
    {
        if (!MatrixOps.IsWhole(warp, i)) return;
        float* a = stackalloc float[8 * 4], b = stackalloc float[4 * 8], sums = stackalloc float[8 * 8];
        for (int group = 0; group < 4; group++)
        {
            for (int member = 0; member < 8; member++)
            {
                int lane = Lane(group, member), upper = member / 4, quad = member % 4;
                for (int e = 0; e < 4; e++)
                {
                    float valueA = Half(warp, i->Operand[8 + e / 2], lane, e % 2), valueB = Half(warp, i->Operand[10 + e / 2], lane, e % 2);
                    if ((i->Option & ColumnsOfA) == 0) a[4 * (quad + 4 * upper) + e] = valueA;
                    else a[4 * (e + 4 * upper) + quad] = valueA;
                    if ((i->Option & RowsOfB) == 0) b[8 * e + quad + 4 * upper] = valueB;
                    else b[8 * quad + e + 4 * upper] = valueB;
                }
                for (int e = 0; e < 8; e++)
                    sums[Place(member, e, (i->Option & HalfAddend) != 0)] = (i->Option & HalfAddend) != 0
                        ? Half(warp, i->Operand[12 + e / 2], lane, e % 2) : ((float*)(warp->Registers + i->Operand[12 + e]))[lane];
            }
            for (int row = 0; row < 8; row++)
                for (int column = 0; column < 8; column++)
                    for (int k = 0; k < 4; k++)
                        sums[8 * row + column] = MathF.FusedMultiplyAdd(a[4 * row + k], b[8 * k + column], sums[8 * row + column]);
            for (int member = 0; member < 8; member++)
                for (int e = 0; e < 8; e++)
                {
                    int lane = Lane(group, member);
                    float value = sums[Place(member, e, (i->Option & HalfResult) != 0)];
                    if ((i->Option & HalfResult) == 0) ((float*)(warp->Registers + i->Operand[e]))[lane] = Binary32.Canonical(value);
                    else ((ushort*)(warp->Registers + i->Operand[e / 2]))[2 * lane + e % 2] = (ushort)FloatF16.Write<ToNearest>(value);
                }
        }
    }

    static int Lane(int group, int member) => 4 * group + member % 4 + 16 * (member / 4);

    static float Half(Warp* warp, int operand, int lane, int half) => (float)BitConverter.UInt16BitsToHalf(((ushort*)(warp->Registers + operand))[2 * lane + half]);

    // where element e of a member's C or D stands in the 8x8 matrix
    static int Place(int member, int e, bool half) => half
        ? 8 * (member % 4 + 4 * (member / 4)) + e
        : 8 * ((member & 1) + (e & 2) + 4 * (member / 4)) + (e & 4) + (member & 2) + (e & 1);
}
