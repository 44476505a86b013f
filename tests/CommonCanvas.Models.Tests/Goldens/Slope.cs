using CommonCanvas.Tensors;

namespace CommonCanvas.Models.Tests;

/// <summary>
/// Directional finite differences of a whole model: along the gradient itself, in each unit and each input, the loss must
/// change by the gradient's squared norm for each unit of distance. The fourth-order central difference keeps the distance
/// large enough for fp32.
/// </summary>
static class Slope
{
    const double Tolerance = 2e-3;

    public static Tensor Random(IOps ops, DType type, int stream, int d0, int d1, int d2 = -1, int d3 = -1)
    {
        var tensor = ops.Arena.Rent(type, d0, d1, d2, d3);
        var keys = new RandomKey[d0];
        for (int b = 0; b < d0; b++) keys[b] = new RandomKey(99, RandomPurpose.Validation, (ulong)b, (uint)stream);
        ops.RandomNormal(keys, tensor);
        return tensor;
    }

    /// <summary>Compares the gradients, which must be there, with differences of <paramref name="loss"/>.</summary>
    public static void Check(IOps ops, ParameterSet parameters, Func<double> loss, params (Tensor Value, Tensor Gradient)[] inputs)
    {
        var directions = parameters.Units.Select(unit => (unit.Name, Part(parameters.Master, unit), Part(parameters.Gradient, unit)))
            .Concat(inputs.Select((input, i) => ($"input {i}", input.Value, input.Gradient)));
        foreach (var (name, value, gradient) in directions.ToArray())
        {
            float[] at = Values(ops, value), slope = Values(ops, gradient);
            double norm = Math.Sqrt(slope.Sum(g => (double)g * g));
            Assert.True(norm > 0, $"{name}: the gradient is zero");
            double Along(double distance)
            {
                Set(ops, value, [.. at.Select((v, i) => (float)(v + distance * slope[i] / norm))]);
                return loss();
            }
            double h = 0.02 * Math.Max(0.1, Math.Sqrt(at.Sum(v => (double)v * v)) / Math.Sqrt(at.Length));
            double difference = (8 * (Along(h) - Along(-h)) - (Along(2 * h) - Along(-2 * h))) / (12 * h);
            Set(ops, value, at);
            Assert.True(Math.Abs(difference - norm) <= Tolerance * norm, $"{name}: slope {difference:g6}, gradient {norm:g6}");
        }
    }

    static Tensor Part(Tensor flat, ParameterUnit unit) => flat.Slice((int)unit.Offset, (int)unit.Count);

    static float[] Values(IOps ops, Tensor tensor)
    {
        var values = new float[tensor.Count];
        ops.Download<float>(tensor, values);
        return values;
    }

    static void Set(IOps ops, Tensor tensor, float[] values) => ops.Upload<float>(values, tensor);
}
