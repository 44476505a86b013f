namespace CommonCanvas.Cuda.Tests;

/// <summary>NCCL's table and structures.</summary>
public unsafe class NcclTableTests
{
    [Fact]
    public void The_table_has_a_pointer_for_each_call_and_the_id_its_size()
    {
        var exports = NativeTable.Exports<NcclTable>();
        Assert.Equal(sizeof(NcclTable), exports.Count * sizeof(nint));
        Assert.All(exports, export => Assert.StartsWith("nccl", export.Name));
        Assert.Equal(128, sizeof(NcclUniqueId));
    }

    [Fact]
    public void An_id_survives_its_way_as_bytes()
    {
        byte[] bytes = [.. Enumerable.Range(0, 128).Select(i => (byte)i)];
        Assert.Equal(bytes, NcclUniqueId.From(bytes).ToArray());
    }

    [Fact]
    public void Without_the_library_the_error_has_numbered_remedies()
    {
        try { Nccl.Load(); }
        catch (LibraryMissingException e)
        {
            Assert.Contains("nccl", e.Message);
            Assert.Contains("\n  3. do without: train on one GPU", e.Message);
        }
    }
}
