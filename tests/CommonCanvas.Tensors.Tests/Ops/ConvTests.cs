namespace CommonCanvas.Tensors.Tests;

public abstract class ConvTests(TestDevice device) : OpTests(device)
{
    /// <summary>Batch, height, width, inputs, outputs, geometry.</summary>
    public static TheoryData<int, int, int, int, int, string> Cases
    {
        get
        {
            var data = new TheoryData<int, int, int, int, int, string>();
            foreach (string geometry in new[] { "pointwise", "same", "down", "asymmetric" })
                foreach (var (batch, height, width, inputs, outputs) in new[] { (1, 3, 5, 1, 3), (3, 8, 6, 4, 16), (1, 9, 16, 17, 20), (2, 7, 13, 32, 33), (1, 16, 16, 48, 8) })
                    data.Add(batch, height, width, inputs, outputs, geometry);
            data.Add(1, 1, 1, 5, 7, "same");
            data.Add(3, 2, 1, 3, 2, "same");
            data.Add(2, 5, 4, 6, 3, "odd");
            return data;
        }
    }

    [Theory, MemberData(nameof(Cases))]
    public void Forward_agrees(int batch, int height, int width, int inputs, int outputs, string geometry)
    {
        foreach (var type in Types)
            foreach (int given in new[] { 0, 1, 2, 4, 7 })
                Agree(type, 9 * inputs, run => Forward(run, new(batch, height, width, inputs, outputs, Geometry(geometry)), given));
    }

    [Theory, MemberData(nameof(Cases))]
    public void Backward_agrees(int batch, int height, int width, int inputs, int outputs, string geometry)
    {
        foreach (var type in Types)
            foreach (int wanted in new[] { 1, 2, 4, 8, 15 })
                Agree(type, Math.Max(9 * outputs, batch * height * width), run => Backward(run, new(batch, height, width, inputs, outputs, Geometry(geometry)), wanted));
    }

    [Theory, MemberData(nameof(Cases))]
    public void Gradients_can_be_assigned(int batch, int height, int width, int inputs, int outputs, string geometry)
    {
        foreach (var type in Types) Assigns(type, run => Backward(run, new(batch, height, width, inputs, outputs, Geometry(geometry)), 15));
    }

    [Theory, MemberData(nameof(Cases))]
    public void Backward_is_the_slope_of_Forward(int batch, int height, int width, int inputs, int outputs, string geometry)
    {
        var shape = new Shape(batch, height, width, inputs, outputs, Geometry(geometry));
        Gradient(run => Forward(run, shape, 7), run => Backward(run, shape, 15));
    }

    /// <summary>What is not a number in an image reaches the results whose windows hold it, and is multiplied for no other, not even by zero.</summary>
    [Theory, InlineData(8), InlineData(5)]
    public void A_pixel_that_is_not_a_number_stays_within_its_windows(int inputs)
    {
        const int Side = 8, Outputs = 16, Row = 4, Column = 3;
        foreach (var type in Types)
        {
            using var run = new OpRun(Device, type);
            float[] image = run.Normal("x", Side * Side * inputs);
            image.AsSpan((Row * Side + Column) * inputs, inputs).Fill(float.NaN);
            run.Ops.ConvForward(run.Values("x", type, image, 1, Side, Side, inputs), run.Input("weight", Outputs, 3, 3, inputs), default, default, default,
                ConvGeometry.Same3, run.Output("y", 1, Side, Side, Outputs));
            float[] y = run.Read("y");
            for (int i = 0; i < y.Length; i++)
            {
                int row = i / Outputs / Side, column = i / Outputs % Side;
                Assert.Equal(Math.Abs(row - Row) <= 1 && Math.Abs(column - Column) <= 1, float.IsNaN(y[i]));
            }
        }
    }

    /// <summary>A kernel with a single one copies the image shifted by its place, with zeros from outside.</summary>
    [Fact]
    public void A_single_one_in_the_kernel_shifts_the_image()
    {
        using var run = new OpRun(Device, DType.F32);
        float[] kernel = new float[9];
        kernel[1 * 3 + 2] = 1; // the middle row, the pixel on the right
        var x = run.Values("x", DType.F32, [1, 2, 3, 4, 5, 6], 1, 2, 3, 1);
        run.Ops.ConvForward(x, run.Values("weight", DType.F32, kernel, 1, 3, 3, 1), default, default, default, ConvGeometry.Same3, run.Output("y", 1, 2, 3, 1));
        Assert.Equal([2f, 3, 0, 5, 6, 0], run.Read("y"));
    }

    /// <summary>Padding of the autoencoder's downsampler lies on the right and below only: the first window starts at the first pixel.</summary>
    [Fact]
    public void Asymmetric_padding_lies_right_and_below()
    {
        using var run = new OpRun(Device, DType.F32);
        float[] kernel = new float[9];
        (kernel[0], kernel[8]) = (1, 10); // first and last pixel of the window
        var x = run.Values("x", DType.F32, [.. Enumerable.Range(1, 16).Select(i => (float)i)], 1, 4, 4, 1);
        run.Ops.ConvForward(x, run.Values("weight", DType.F32, kernel, 1, 3, 3, 1), default, default, default, ConvGeometry.DownAsymmetric3, run.Output("y", 1, 2, 2, 1));
        Assert.Equal([1f + 110, 3, 9, 11], run.Read("y"));
    }

    readonly record struct Shape(int Batch, int Height, int Width, int Inputs, int Outputs, ConvGeometry Geometry)
    {
        public int OutHeight => Geometry.OutHeight(Height);
        public int OutWidth => Geometry.OutWidth(Width);
    }

    static ConvGeometry Geometry(string name) => name switch
    {
        "pointwise" => ConvGeometry.Pointwise,
        "same" => ConvGeometry.Same3,
        "down" => ConvGeometry.Down3,
        "asymmetric" => ConvGeometry.DownAsymmetric3,
        _ => new ConvGeometry(3, 1, 0, 2, 1, 0),
    };

    static void Forward(OpRun run, Shape s, int given) =>
        run.Ops.ConvForward(run.Input("x", s.Batch, s.Height, s.Width, s.Inputs), run.Input("weight", s.Outputs, s.Geometry.Kernel, s.Geometry.Kernel, s.Inputs),
            run.Optional((given & 1) != 0, "bias", s.Outputs), run.Optional((given & 2) != 0, "perSample", s.Batch, s.Outputs),
            run.Optional((given & 4) != 0, "residual", s.Batch, s.OutHeight, s.OutWidth, s.Outputs), s.Geometry, run.Output("y", s.Batch, s.OutHeight, s.OutWidth, s.Outputs));

    static void Backward(OpRun run, Shape s, int wanted) =>
        run.Ops.ConvBackward(run.Input("x", s.Batch, s.Height, s.Width, s.Inputs), run.Input("weight", s.Outputs, s.Geometry.Kernel, s.Geometry.Kernel, s.Inputs),
            run.Input("dY", s.Batch, s.OutHeight, s.OutWidth, s.Outputs), s.Geometry,
            (wanted & 1) != 0 ? run.Output("dX", s.Batch, s.Height, s.Width, s.Inputs) : default,
            (wanted & 2) != 0 ? run.Gradient("dWeight", s.Outputs, s.Geometry.Kernel, s.Geometry.Kernel, s.Inputs) : default,
            (wanted & 4) != 0 ? run.Gradient("dBias", s.Outputs) : default,
            (wanted & 8) != 0 ? run.Output("dPerSample", s.Batch, s.Outputs) : default);
}
