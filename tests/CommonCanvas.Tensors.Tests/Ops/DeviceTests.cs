namespace CommonCanvas.Tensors.Tests;

// A device is one class here, of one line for each family of operations.

public static class CpuReferenceTests
{
    public class Linear() : LinearTests(TestDevice.CpuReference);
    public class Conv() : ConvTests(TestDevice.CpuReference);
    public class Norm() : NormTests(TestDevice.CpuReference);
    public class Attention() : AttentionTests(TestDevice.CpuReference);
    public class Elementwise() : ElementwiseTests(TestDevice.CpuReference);
    public class Shape() : ShapeTests(TestDevice.CpuReference);
    public class Diffusion() : DiffusionTests(TestDevice.CpuReference);
    public class Optimizer() : OptimizerTests(TestDevice.CpuReference);
    public class Memory() : MemoryTests(TestDevice.CpuReference);
}

public static class CpuTests
{
    public class Linear() : LinearTests(TestDevice.Cpu);
    public class Conv() : ConvTests(TestDevice.Cpu);
    public class Norm() : NormTests(TestDevice.Cpu);
    public class Attention() : AttentionTests(TestDevice.Cpu);
    public class Elementwise() : ElementwiseTests(TestDevice.Cpu);
    public class Shape() : ShapeTests(TestDevice.Cpu);
    public class Diffusion() : DiffusionTests(TestDevice.Cpu);
    public class Optimizer() : OptimizerTests(TestDevice.Cpu);
    public class Memory() : MemoryTests(TestDevice.Cpu);
}

public static class DecoratedTests
{
    public class Linear() : LinearTests(TestDevice.Decorated);
    public class Conv() : ConvTests(TestDevice.Decorated);
    public class Norm() : NormTests(TestDevice.Decorated);
    public class Attention() : AttentionTests(TestDevice.Decorated);
    public class Elementwise() : ElementwiseTests(TestDevice.Decorated);
    public class Shape() : ShapeTests(TestDevice.Decorated);
    public class Diffusion() : DiffusionTests(TestDevice.Decorated);
    public class Optimizer() : OptimizerTests(TestDevice.Decorated);
}
