namespace CommonCanvas.Emulator.Decoding;

/// <summary>Special registers of 32 bits.</summary>
internal static class SpecialRegisters
{
    /// <summary>Whether a block sets the register before its warps run.</summary>
    public static bool IsKnown(string name) => name is "%tid.x" or "%tid.y" or "%tid.z" or "%ntid.x" or "%ntid.y" or "%ntid.z"
        or "%ctaid.x" or "%ctaid.y" or "%ctaid.z" or "%nctaid.x" or "%nctaid.y" or "%nctaid.z" or "%laneid" or "%warpid" or "%nwarpid"
        or "%lanemask_eq" or "%lanemask_lt" or "%lanemask_le" or "%lanemask_gt" or "%lanemask_ge"
        or "%smid" or "%nsmid" or "%gridid" or "%dynamic_smem_size" or "%total_smem_size";
}
