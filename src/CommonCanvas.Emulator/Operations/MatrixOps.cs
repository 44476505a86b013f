using System.Diagnostics.CodeAnalysis;
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;
using CommonCanvas.Cuda;
using CommonCanvas.Emulator.Execution;
using Floats = System.Runtime.Intrinsics.Vector512<float>;
using Words = System.Runtime.Intrinsics.Vector512<uint>;

namespace CommonCanvas.Emulator.Operations;

/// <summary>How a matrix operand's registers hold its elements.</summary>
internal interface IFragment
{
    /// <summary>Elements in a register of a lane.</summary>
    static abstract int Elements { get; }

    /// <summary>Element <paramref name="index"/> of each lane as single precision.</summary>
    static abstract Floats Element(Words register, int index);
}

internal struct Fragment16<TFormat> : IFragment where TFormat : struct, IFormat16
{
    public static int Elements => 2;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Floats Element(Words register, int index) => TFormat.Widen(index == 0 ? register : register >> 16);
}

/// <summary>tf32: the low 13 bits do not take part.</summary>
internal struct FragmentTensorFloat : IFragment
{
    public static int Elements => 1;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Floats Element(Words register, int index) => (register & Vector512.Create(0xffffe000u)).AsSingle();
}

/// <summary>
/// Tensor-core instructions. mma.m16n8k*: operands 0 to 3 are D, 4 to 7 A, 8 and 9 B, 10 to 13 C; <see cref="Instruction.Count"/>
/// is the number of registers of B, each with the two of A beside it. Lane l = 4g + t holds rows g and g + 8 of A and C, column g of B.
/// Products are exact, sums are fused in single precision in a fixed order; the hardware's order is not documented.
/// </summary>
internal static unsafe class MatrixOps
{
    const MethodImplOptions Now = MethodImplOptions.AggressiveOptimization;

    [MethodImpl(Now)]
    public static void MultiplyAdd<TFragment>(Warp* warp, Instruction* i) where TFragment : struct, IFragment
    {
        if (!IsWhole(warp, i)) return;
        byte* registers = warp->Registers;
        int steps = i->Count * TFragment.Elements;
        // rows of B as the lanes need them: columns 2t (even) and 2t + 1 (odd), for each k
        Floats* even = stackalloc Floats[16], odd = stackalloc Floats[16], lanes = stackalloc Floats[2];
        for (int step = 0; step < steps; step++)
        {
            var b = (Words*)(registers + i->Operand[8 + step / TFragment.Elements]);
            var low = TFragment.Element(b[0], step % TFragment.Elements);
            var high = TFragment.Element(b[1], step % TFragment.Elements);
            (lanes[0], lanes[1]) = (low, high);
            for (int k = 0; k < 4; k++)
            {
                even[4 * step + k] = Column(low, high, lanes, k);
                odd[4 * step + k] = Column(low, high, lanes, 4 + k);
            }
        }
        for (int half = 0; half < 2; half++)
        {
            Floats c0 = At(registers, i->Operand[10], half), c1 = At(registers, i->Operand[11], half);
            Floats c2 = At(registers, i->Operand[12], half), c3 = At(registers, i->Operand[13], half);
            for (int step = 0; step < steps; step++)
            {
                int a = 4 + 2 * (step / TFragment.Elements);
                var top = TFragment.Element(At(registers, i->Operand[a], half).AsUInt32(), step % TFragment.Elements);
                var bottom = TFragment.Element(At(registers, i->Operand[a + 1], half).AsUInt32(), step % TFragment.Elements);
                Floats* e = even + 4 * step, o = odd + 4 * step;
                Add(Spread(top, 0x00), Spread(bottom, 0x00), e[0], o[0], ref c0, ref c1, ref c2, ref c3);
                Add(Spread(top, 0x55), Spread(bottom, 0x55), e[1], o[1], ref c0, ref c1, ref c2, ref c3);
                Add(Spread(top, 0xaa), Spread(bottom, 0xaa), e[2], o[2], ref c0, ref c1, ref c2, ref c3);
                Add(Spread(top, 0xff), Spread(bottom, 0xff), e[3], o[3], ref c0, ref c1, ref c2, ref c3);
            }
            Set(registers, i->Operand[0], half, c0);
            Set(registers, i->Operand[1], half, c1);
            Set(registers, i->Operand[2], half, c2);
            Set(registers, i->Operand[3], half, c3);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    static void Add(Floats top, Floats bottom, Floats even, Floats odd, ref Floats c0, ref Floats c1, ref Floats c2, ref Floats c3)
    {
        c0 = Vector512.FusedMultiplyAdd(top, even, c0);
        c1 = Vector512.FusedMultiplyAdd(top, odd, c1);
        c2 = Vector512.FusedMultiplyAdd(bottom, even, c2);
        c3 = Vector512.FusedMultiplyAdd(bottom, odd, c3);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    static Floats At(byte* registers, int operand, int half) => ((Floats*)(registers + operand))[half];

    // D may be the register of C or A that the other half still reads: it is a lane's own, so halves do not meet
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    static void Set(byte* registers, int operand, int half, Floats value) => ((Floats*)(registers + operand))[half] = value;

    /// <summary>One of each four neighbours in all four of them: the one that the pairs of bits in <paramref name="control"/> name.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    static Floats Spread(Floats value, [ConstantExpected] byte control)
    {
        if (Avx512F.IsSupported) return Avx512F.Permute4x32(value, control);
        if (Avx.IsSupported) return Vector512.Create(Avx.Permute(value.GetLower(), control), Avx.Permute(value.GetUpper(), control));
        var index = Vector512.Create(0, 0, 0, 0, 4, 4, 4, 4, 8, 8, 8, 8, 12, 12, 12, 12) + Vector512.Create(control & 3);
        return Vector512.Shuffle(value, index);
    }

    /// <summary>For each lane l, lane 8 (l mod 4) + <paramref name="offset"/> of the 32 in low and high, which lie in memory too.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    static Floats Column(Floats low, Floats high, Floats* stored, int offset)
    {
        if (Avx512F.IsSupported)
            return Avx512F.PermuteVar16x32x2(low, Vector512.Create(0, 8, 16, 24, 0, 8, 16, 24, 0, 8, 16, 24, 0, 8, 16, 24) + Vector512.Create(offset), high);
        float* lanes = (float*)stored;
        var four = Vector128.Create(lanes[offset], lanes[8 + offset], lanes[16 + offset], lanes[24 + offset]);
        var eight = Vector256.Create(four, four);
        return Vector512.Create(eight, eight);
    }

    /// <summary>ldmatrix: <see cref="Instruction.Count"/> matrices of 8x8 16-bit elements; lane 8j + r has the address of row r of matrix j.</summary>
    [MethodImpl(Now)]
    public static void Load<TMonitor, TSpace>(Warp* warp, Instruction* i) where TMonitor : struct, IMonitor where TSpace : struct, ISpace
    {
        byte** rows = stackalloc byte*[Warp.Lanes];
        if (!Rows<TMonitor, TSpace>(warp, i, rows)) return;
        for (int matrix = 0; matrix < i->Count; matrix++)
        {
            var to = (Vector128<ushort>*)(warp->Registers + i->Operand[matrix]);
            for (int row = 0; row < 8; row++) to[row] = *(Vector128<ushort>*)rows[8 * matrix + row];
        }
    }

    /// <summary>The same, each matrix transposed.</summary>
    [MethodImpl(Now)]
    public static void LoadTransposed<TMonitor, TSpace>(Warp* warp, Instruction* i) where TMonitor : struct, IMonitor where TSpace : struct, ISpace
    {
        byte** rows = stackalloc byte*[Warp.Lanes];
        if (!Rows<TMonitor, TSpace>(warp, i, rows)) return;
        Vector128<ushort>* matrix = stackalloc Vector128<ushort>[8];
        for (int number = 0; number < i->Count; number++)
        {
            for (int row = 0; row < 8; row++) matrix[row] = *(Vector128<ushort>*)rows[8 * number + row];
            Transpose((ushort*)matrix, (ushort*)(warp->Registers + i->Operand[number]));
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    static void Transpose(ushort* from, ushort* to)
    {
        if (Avx512BW.IsSupported)
        {
            var order = Vector512.Create((ushort)0, 8, 16, 24, 32, 40, 48, 56, 1, 9, 17, 25, 33, 41, 49, 57,
                2, 10, 18, 26, 34, 42, 50, 58, 3, 11, 19, 27, 35, 43, 51, 59);
            Vector512<ushort> low = *(Vector512<ushort>*)from, high = *(Vector512<ushort>*)(from + 32);
            *(Vector512<ushort>*)to = Avx512BW.PermuteVar32x16x2(low, order, high);
            *(Vector512<ushort>*)(to + 32) = Avx512BW.PermuteVar32x16x2(low, order + Vector512.Create((ushort)4), high);
            return;
        }
        for (int row = 0; row < 8; row++)
            for (int column = 0; column < 8; column++) to[8 * column + row] = from[8 * row + column];
    }

    static bool Rows<TMonitor, TSpace>(Warp* warp, Instruction* i, byte** rows) where TMonitor : struct, IMonitor where TSpace : struct, ISpace
    {
        if (!IsWhole(warp, i)) return false;
        // fewer matrices need the addresses of fewer lanes; the others' are not looked at
        if (i->Count < 4) Warp.SetMask(warp, (1u << (8 * i->Count)) - 1);
        TSpace.Resolve(warp, i, i->Operand[Instruction.Address], i->Immediate, 16, rows);
        TMonitor.On<TSpace>(warp, i, rows, 16, Access.Read);
        if (i->Count < 4) Warp.SetMask(warp, Warp.All);
        return true;
    }

    /// <summary>A matrix instruction is the whole warp's, or, where a guard is false for all, nobody's.</summary>
    internal static bool IsWhole(Warp* warp, Instruction* i)
    {
        if (warp->Mask == Warp.All) return true;
        if (warp->Mask == 0) return false;
        throw new KernelFault(CudaResult.IllegalInstruction, $"a matrix instruction needs all lanes of the warp (active lanes {warp->Mask:x8})", -1, i->Source);
    }
}
