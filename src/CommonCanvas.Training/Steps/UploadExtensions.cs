using CommonCanvas.Tensors;

namespace CommonCanvas.Training;

/// <summary>Host values to the device.</summary>
static class UploadExtensions
{
    /// <summary>Rents a tensor and fills it with host values, rounded to its type on the device.</summary>
    public static Tensor UploadAs(this IOps ops, ReadOnlySpan<float> values, DType type, int d0, int d1 = -1, int d2 = -1, int d3 = -1)
    {
        var tensor = ops.Arena.Rent(type, d0, d1, d2, d3);
        ops.UploadTo(values, tensor);
        return tensor;
    }

    /// <summary>Fills a tensor with host values, rounded to its type on the device.</summary>
    public static void UploadTo(this IOps ops, ReadOnlySpan<float> values, Tensor tensor)
    {
        if (tensor.Type == DType.F32)
        {
            ops.Upload(values, tensor);
            return;
        }
        var full = ops.Arena.RentLike(tensor, DType.F32);
        ops.Upload(values, full);
        ops.Cast(full, tensor);
        ops.Arena.Release(full);
    }

    /// <summary>A tensor's values in fp32.</summary>
    public static float[] DownloadFloats(this IOps ops, Tensor tensor)
    {
        var values = new float[tensor.Count];
        if (tensor.Type == DType.F32)
        {
            ops.Download<float>(tensor, values);
            return values;
        }
        var full = ops.Arena.RentLike(tensor, DType.F32);
        ops.Cast(tensor, full);
        ops.Download<float>(full, values);
        ops.Arena.Release(full);
        return values;
    }
}
