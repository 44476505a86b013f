using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using CommonCanvas.Emulator.Execution;
using unsafe Handler = delegate*<CommonCanvas.Emulator.Execution.Warp*, CommonCanvas.Emulator.Execution.Instruction*, void>;

namespace CommonCanvas.Emulator.Operations;

/// <summary>
/// Comparisons whose results are values, or of two numbers in a lane. Operands from 2 on are those of <see cref="Templates.Compare"/>,
/// whose handler <see cref="Instruction.Immediate"/> is; 5 and 6 are places for the upper numbers.
/// </summary>
internal static unsafe class CompareValueOps
{
    const MethodImplOptions Now = MethodImplOptions.AggressiveOptimization;

    /// <summary>set: operand 0 becomes <see cref="Instruction.Count"/> where the comparison holds, else 0; 1 is a place for a predicate.</summary>
    [MethodImpl(Now)]
    public static void Set(Warp* warp, Instruction* i)
    {
        uint holds = Compare(warp, i, i->Operand[1]);
        uint* to = (uint*)(warp->Registers + i->Operand[0]);
        for (uint mask = warp->Mask; mask != 0; mask &= mask - 1)
        {
            int lane = BitOperations.TrailingZeroCount(mask);
            to[lane] = (holds >> lane & 1) != 0 ? (uint)i->Count : 0;
        }
    }

    /// <summary>set of two numbers in a lane, each with its result; 7 is a place for another predicate.</summary>
    [MethodImpl(Now)]
    public static void SetPair(Warp* warp, Instruction* i)
    {
        uint low = Compare(warp, i, i->Operand[1]), high = CompareUpper(warp, i, i->Operand[7]);
        uint* to = (uint*)(warp->Registers + i->Operand[0]);
        for (uint mask = warp->Mask; mask != 0; mask &= mask - 1)
        {
            int lane = BitOperations.TrailingZeroCount(mask);
            to[lane] = ((low >> lane & 1) != 0 ? (uint)i->Count : 0) | ((high >> lane & 1) != 0 ? (uint)i->Count << 16 : 0);
        }
    }

    /// <summary>setp of two numbers in a lane: predicate 0 of the lower ones, 1 of the upper ones; 7 and 8 are places for predicates.</summary>
    [MethodImpl(Now)]
    public static void Pair(Warp* warp, Instruction* i)
    {
        uint low = Compare(warp, i, i->Operand[7]), high = CompareUpper(warp, i, i->Operand[8]);
        Templates.StorePredicate(warp, i->Operand[0], low);
        Templates.StorePredicate(warp, i->Operand[1], high);
    }

    static uint Compare(Warp* warp, Instruction* i, int predicate)
    {
        var compare = *i;
        (compare.Operand[0], compare.Operand[1]) = (predicate, -1);
        ((Handler)i->Immediate)(warp, &compare);
        return *(uint*)(warp->Registers + predicate);
    }

    static uint CompareUpper(Warp* warp, Instruction* i, int predicate)
    {
        var compare = *i;
        (compare.Operand[2], compare.Operand[3]) = (i->Operand[5], i->Operand[6]);
        for (int operand = 0; operand < 2; operand++)
            for (int half = 0; half < 2; half++)
            {
                var from = ((Vector512<uint>*)(warp->Registers + i->Operand[2 + operand]))[half];
                ((Vector512<uint>*)(warp->Registers + i->Operand[5 + operand]))[half] = from >> 16;
            }
        return Compare(warp, &compare, predicate);
    }
}

/// <summary>A property of a number.</summary>
internal interface IProperty<T> { static abstract bool Of(T a); }

internal struct IsFiniteNumber<T> : IProperty<T> where T : INumberBase<T> { public static bool Of(T a) => T.IsFinite(a); }
internal struct IsInfinite<T> : IProperty<T> where T : INumberBase<T> { public static bool Of(T a) => T.IsInfinity(a); }
internal struct IsNumber<T> : IProperty<T> where T : INumberBase<T> { public static bool Of(T a) => !T.IsNaN(a); }
internal struct IsNoNumber<T> : IProperty<T> where T : INumberBase<T> { public static bool Of(T a) => T.IsNaN(a); }
internal struct IsSubnormalNumber<T> : IProperty<T> where T : INumberBase<T> { public static bool Of(T a) => T.IsSubnormal(a); }

/// <summary>Zeros count as normal numbers (PTX ISA, testp).</summary>
internal struct IsNormalNumber<T> : IProperty<T> where T : INumberBase<T> { public static bool Of(T a) => T.IsNormal(a) || T.IsZero(a); }

/// <summary>a where c is not negative, else b.</summary>
internal struct SelectBySign<T> : ILane3<T, T, T, int> { public static T Of(T a, T b, int c) => c >= 0 ? a : b; }

/// <summary>a where c is at least zero, else b, also where c is no number.</summary>
internal struct SelectByFloat<T> : ILane3<T, T, T, float> { public static T Of(T a, T b, float c) => c >= 0 ? a : b; }

/// <summary>The same where subnormal numbers are zeros.</summary>
internal struct SelectByFloatFlushed<T> : ILane3<T, T, T, float> { public static T Of(T a, T b, float c) => Binary32.Flush(c) >= 0 ? a : b; }
