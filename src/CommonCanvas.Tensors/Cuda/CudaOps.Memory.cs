namespace CommonCanvas.Tensors;

public sealed partial class CudaOps
{
    /// <inheritdoc/>
    public void Upload<T>(ReadOnlySpan<T> host, Tensor y) where T : unmanaged => throw Pending();

    /// <inheritdoc/>
    public void Download<T>(Tensor x, Span<T> host) where T : unmanaged => throw Pending();

    /// <inheritdoc/>
    public void Fill(float value, Tensor y) => throw Pending();

    /// <inheritdoc/>
    public void Cast(Tensor x, Tensor y) => throw Pending();

    /// <inheritdoc/>
    public void Transpose(Tensor x, Tensor y) => throw Pending();

    static NotSupportedException Pending([System.Runtime.CompilerServices.CallerMemberName] string op = "") => new($"{op} has no kernel yet");
}
