using System.Numerics;

namespace CommonCanvas.Emulator.Operations;

// Operations on bits, defined lane by lane.

internal struct PopulationCount32 : ILane1<uint, uint> { public static uint Of(uint a) => (uint)BitOperations.PopCount(a); }
internal struct PopulationCount64 : ILane1<uint, ulong> { public static uint Of(ulong a) => (uint)BitOperations.PopCount(a); }
internal struct LeadingZeros32 : ILane1<uint, uint> { public static uint Of(uint a) => (uint)BitOperations.LeadingZeroCount(a); }
internal struct LeadingZeros64 : ILane1<uint, ulong> { public static uint Of(ulong a) => (uint)BitOperations.LeadingZeroCount(a); }

/// <summary>Reverses the order of the bits.</summary>
internal struct Reverse32 : ILane1<uint, uint>
{
    public static uint Of(uint a)
    {
        a = (a >> 1 & 0x55555555) | (a & 0x55555555) << 1;
        a = (a >> 2 & 0x33333333) | (a & 0x33333333) << 2;
        a = (a >> 4 & 0x0f0f0f0f) | (a & 0x0f0f0f0f) << 4;
        return System.Buffers.Binary.BinaryPrimitives.ReverseEndianness(a);
    }
}

internal struct Reverse64 : ILane1<ulong, ulong>
{
    public static ulong Of(ulong a) => (ulong)Reverse32.Of((uint)a) << 32 | Reverse32.Of((uint)(a >> 32));
}

/// <summary>Position of the highest bit that differs from the sign; all ones where there is none.</summary>
internal struct FindLeading32 : ILane1<uint, uint> { public static uint Of(uint a) => a == 0 ? uint.MaxValue : (uint)BitOperations.Log2(a); }
internal struct FindLeadingSigned32 : ILane1<uint, uint> { public static uint Of(uint a) => FindLeading32.Of((int)a < 0 ? ~a : a); }
internal struct FindLeading64 : ILane1<uint, ulong> { public static uint Of(ulong a) => a == 0 ? uint.MaxValue : (uint)BitOperations.Log2(a); }
internal struct FindLeadingSigned64 : ILane1<uint, ulong> { public static uint Of(ulong a) => FindLeading64.Of((long)a < 0 ? ~a : a); }

/// <summary>The same as an amount to shift by: 31 (63) minus the position.</summary>
internal struct FindShift32<TFind> : ILane1<uint, uint> where TFind : struct, ILane1<uint, uint>
{
    public static uint Of(uint a) => TFind.Of(a) is var at && at == uint.MaxValue ? at : 31 - at;
}

internal struct FindShift64<TFind> : ILane1<uint, ulong> where TFind : struct, ILane1<uint, ulong>
{
    public static uint Of(ulong a) => TFind.Of(a) is var at && at == uint.MaxValue ? at : 63 - at;
}

/// <summary>Extracts a field of c bits from position b; position and length are the low bytes.</summary>
internal struct ExtractField<T> : ILane3<T, T, uint, uint> where T : unmanaged, IBinaryInteger<T>
{
    public static unsafe T Of(T a, uint b, uint c)
    {
        int bits = 8 * sizeof(T), position = (int)(b & 255), length = (int)(c & 255);
        bool signed = T.IsNegative(T.Zero - T.One);
        if (length == 0) return T.Zero;
        // the sign of a field that reaches beyond the word is the word's sign
        bool negative = signed && (a >> Math.Min(position + length - 1, bits - 1) & T.One) != T.Zero;
        T fill = negative ? T.Zero - T.One : T.Zero;
        T field = position >= bits ? T.Zero : Logical(a, position, bits);
        int known = Math.Clamp(Math.Min(length, bits - position), 0, bits);
        return known >= bits ? field : known == 0 ? fill : field & Low(known) | fill & ~Low(known);
    }

    static T Low(int bits) => (T.One << bits) - T.One;

    static T Logical(T a, int shift, int bits) => shift == 0 ? a : (a >> shift) & Low(bits - shift);
}

/// <summary>Inserts the low d bits of a into b at position c.</summary>
internal static class InsertField
{
    public static T Of<T>(T a, T b, uint c, uint d) where T : unmanaged, IBinaryInteger<T>, IUnsignedNumber<T>
    {
        int bits = BitCount<T>(), position = (int)(c & 255), length = (int)(d & 255);
        if (position >= bits) return b;
        T mask = (length >= bits ? T.Zero - T.One : (T.One << length) - T.One) << position;
        return (b & ~mask) | (a << position & mask);
    }

    static unsafe int BitCount<T>() where T : unmanaged => 8 * sizeof(T);
}

/// <summary>A mask of b bits from position a, which clamp at the width.</summary>
internal struct MaskClamped : ILane2<uint, uint, uint>
{
    public static uint Of(uint a, uint b) => a > 31 ? 0 : (b > 31 ? uint.MaxValue : (1u << (int)b) - 1) << (int)a;
}

/// <summary>A mask of b bits from position a, both modulo 32.</summary>
internal struct MaskWrapped : ILane2<uint, uint, uint> { public static uint Of(uint a, uint b) => MaskClamped.Of(a & 31, b & 31); }

/// <summary>Shifts the pair (b, a) left and takes the upper word; the amount is taken modulo 32.</summary>
internal struct FunnelLeftWrapped : ILane3<uint, uint, uint, uint>
{
    public static uint Of(uint a, uint b, uint c) => (uint)(((ulong)b << 32 | a) << (int)(c & 31) >> 32);
}

/// <summary>Shifts the pair (b, a) left and takes the upper word; the amount clamps at 32.</summary>
internal struct FunnelLeftClamped : ILane3<uint, uint, uint, uint>
{
    public static uint Of(uint a, uint b, uint c) => c >= 32 ? a : FunnelLeftWrapped.Of(a, b, c);
}

/// <summary>Shifts the pair (b, a) right and takes the lower word; the amount is taken modulo 32.</summary>
internal struct FunnelRightWrapped : ILane3<uint, uint, uint, uint>
{
    public static uint Of(uint a, uint b, uint c) => (uint)(((ulong)b << 32 | a) >> (int)(c & 31));
}

/// <summary>Shifts the pair (b, a) right and takes the lower word; the amount clamps at 32.</summary>
internal struct FunnelRightClamped : ILane3<uint, uint, uint, uint>
{
    public static uint Of(uint a, uint b, uint c) => c >= 32 ? b : FunnelRightWrapped.Of(a, b, c);
}

/// <summary>Picks four of the eight bytes of (b, a) by the nibbles of c; a nibble's top bit spreads the byte's sign.</summary>
internal struct PermuteBytes : ILane3<uint, uint, uint, uint>
{
    public static uint Of(uint a, uint b, uint c)
    {
        ulong bytes = (ulong)b << 32 | a;
        uint result = 0;
        for (int i = 0; i < 4; i++)
        {
            uint selector = c >> (4 * i) & 15;
            uint picked = (uint)(bytes >> (int)(8 * (selector & 7))) & 255;
            if ((selector & 8) != 0) picked = (picked & 128) != 0 ? 255u : 0;
            result |= picked << (8 * i);
        }
        return result;
    }
}

internal struct PredicateAnd : IPredicate2 { public static uint Of(uint a, uint b) => a & b; }
internal struct PredicateOr : IPredicate2 { public static uint Of(uint a, uint b) => a | b; }
internal struct PredicateXor : IPredicate2 { public static uint Of(uint a, uint b) => a ^ b; }
internal struct PredicateNot : IPredicate2 { public static uint Of(uint a, uint b) => ~a; }
internal struct PredicateCopy : IPredicate2 { public static uint Of(uint a, uint b) => a; }
