namespace CommonCanvas.Tensors.Tests;

// A device is one class here, of one line for each family of operations.

public static class CpuReferenceTests
{
    public class Linear() : LinearTests(TestDevice.CpuReference);
    public class LinearGeglu() : LinearGegluTests(TestDevice.CpuReference);
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
    public class LinearGeglu() : LinearGegluTests(TestDevice.Cpu);
    public class Conv() : ConvTests(TestDevice.Cpu);
    public class Norm() : NormTests(TestDevice.Cpu);
    public class Attention() : AttentionTests(TestDevice.Cpu);
    public class Elementwise() : ElementwiseTests(TestDevice.Cpu);
    public class Shape() : ShapeTests(TestDevice.Cpu);
    public class Diffusion() : DiffusionTests(TestDevice.Cpu);
    public class Optimizer() : OptimizerTests(TestDevice.Cpu);
    public class Memory() : MemoryTests(TestDevice.Cpu);
}

public static class CpuFp32ProductsTests
{
    public class Linear() : LinearTests(TestDevice.CpuFp32Products);
    public class LinearGeglu() : LinearGegluTests(TestDevice.CpuFp32Products);
    public class Conv() : ConvTests(TestDevice.CpuFp32Products);
}

public static class DecoratedTests
{
    public class Linear() : LinearTests(TestDevice.Decorated);
    public class LinearGeglu() : LinearGegluTests(TestDevice.Decorated);
    public class Conv() : ConvTests(TestDevice.Decorated);
    public class Norm() : NormTests(TestDevice.Decorated);
    public class Attention() : AttentionTests(TestDevice.Decorated);
    public class Elementwise() : ElementwiseTests(TestDevice.Decorated);
    public class Shape() : ShapeTests(TestDevice.Decorated);
    public class Diffusion() : DiffusionTests(TestDevice.Decorated);
    public class Optimizer() : OptimizerTests(TestDevice.Decorated);
}

public static class CpuAvx2Tests
{
    public class Linear() : LinearTests(TestDevice.CpuAvx2);
    public class LinearGeglu() : LinearGegluTests(TestDevice.CpuAvx2);
    public class Conv() : ConvTests(TestDevice.CpuAvx2);
    public class Norm() : NormTests(TestDevice.CpuAvx2);
    public class Attention() : AttentionTests(TestDevice.CpuAvx2);
    public class Elementwise() : ElementwiseTests(TestDevice.CpuAvx2);
    public class Shape() : ShapeTests(TestDevice.CpuAvx2);
    public class Optimizer() : OptimizerTests(TestDevice.CpuAvx2);
    public class Memory() : MemoryTests(TestDevice.CpuAvx2);
}

public static class CpuPortableTests
{
    public class Linear() : LinearTests(TestDevice.CpuPortable);
    public class LinearGeglu() : LinearGegluTests(TestDevice.CpuPortable);
    public class Conv() : ConvTests(TestDevice.CpuPortable);
    public class Norm() : NormTests(TestDevice.CpuPortable);
    public class Attention() : AttentionTests(TestDevice.CpuPortable);
    public class Elementwise() : ElementwiseTests(TestDevice.CpuPortable);
    public class Shape() : ShapeTests(TestDevice.CpuPortable);
    public class Optimizer() : OptimizerTests(TestDevice.CpuPortable);
    public class Memory() : MemoryTests(TestDevice.CpuPortable);
}

/// <summary>The CUDA kernels on an emulated GPU.</summary>
public static class EmulatorTests
{
    [Trait("Category", "Kernels")]
    public class Linear() : LinearTests(TestDevice.Emulator);
    [Trait("Category", "Kernels")]
    public class LinearGeglu() : LinearGegluTests(TestDevice.Emulator);
    [Trait("Category", "Kernels")]
    public class Conv() : ConvTests(TestDevice.Emulator);
    [Trait("Category", "Kernels")]
    public class Norm() : NormTests(TestDevice.Emulator);
    [Trait("Category", "Kernels")]
    public class Attention() : AttentionTests(TestDevice.Emulator);
    [Trait("Category", "Kernels")]
    public class Elementwise() : ElementwiseTests(TestDevice.Emulator);
    [Trait("Category", "Kernels")]
    public class Shape() : ShapeTests(TestDevice.Emulator);
    [Trait("Category", "Kernels")]
    public class Diffusion() : DiffusionTests(TestDevice.Emulator);
    [Trait("Category", "Kernels")]
    public class Optimizer() : OptimizerTests(TestDevice.Emulator);
    [Trait("Category", "Kernels")]
    public class Memory() : MemoryTests(TestDevice.Emulator);
}

/// <summary>The CUDA kernels that walk over their work with a grid of fixed size, on an emulated GPU whose grids are small.</summary>
public static class SmallEmulatorTests
{
    [Trait("Category", "Kernels")]
    public class LinearGeglu() : LinearGegluTests(TestDevice.SmallEmulator);
    [Trait("Category", "Kernels")]
    public class Norm() : NormTests(TestDevice.SmallEmulator);
    [Trait("Category", "Kernels")]
    public class Elementwise() : ElementwiseTests(TestDevice.SmallEmulator);
    [Trait("Category", "Kernels")]
    public class Shape() : ShapeTests(TestDevice.SmallEmulator);
    [Trait("Category", "Kernels")]
    public class Diffusion() : DiffusionTests(TestDevice.SmallEmulator);
    [Trait("Category", "Kernels")]
    public class Optimizer() : OptimizerTests(TestDevice.SmallEmulator);
}

/// <summary>The CUDA kernels on a real GPU, where there is one.</summary>
public static class CudaTests
{
    [Trait("Category", "Kernels"), Trait("Device", "cuda")]
    public class Linear() : LinearTests(TestDevice.Cuda);
    [Trait("Category", "Kernels"), Trait("Device", "cuda")]
    public class LinearGeglu() : LinearGegluTests(TestDevice.Cuda);
    [Trait("Category", "Kernels"), Trait("Device", "cuda")]
    public class Conv() : ConvTests(TestDevice.Cuda);
    [Trait("Category", "Kernels"), Trait("Device", "cuda")]
    public class Norm() : NormTests(TestDevice.Cuda);
    [Trait("Category", "Kernels"), Trait("Device", "cuda")]
    public class Attention() : AttentionTests(TestDevice.Cuda);
    [Trait("Category", "Kernels"), Trait("Device", "cuda")]
    public class Elementwise() : ElementwiseTests(TestDevice.Cuda);
    [Trait("Category", "Kernels"), Trait("Device", "cuda")]
    public class Shape() : ShapeTests(TestDevice.Cuda);
    [Trait("Category", "Kernels"), Trait("Device", "cuda")]
    public class Diffusion() : DiffusionTests(TestDevice.Cuda);
    [Trait("Category", "Kernels"), Trait("Device", "cuda")]
    public class Optimizer() : OptimizerTests(TestDevice.Cuda);
    [Trait("Category", "Kernels"), Trait("Device", "cuda")]
    public class Memory() : MemoryTests(TestDevice.Cuda);
}
