using System.Reflection;
using CommonCanvas.Tests;

namespace CommonCanvas.Tensors.Tests;

/// <summary>A test of the kernels on the emulated GPU with its arguments, run outside of the test runner.</summary>
/// <param name="Class">The test class.</param>
/// <param name="Method">The test.</param>
/// <param name="Arguments">Its arguments.</param>
public sealed record KernelProof(Type Class, MethodInfo Method, object?[] Arguments)
{
    /// <summary>All classes that prove kernels on the emulated GPU by their results.</summary>
    public static IReadOnlyList<Type> Classes { get; } = [.. typeof(EmulatorTests).GetNestedTypes(), .. typeof(SmallEmulatorTests).GetNestedTypes(), typeof(ProductTilesTests)];

    /// <summary>The tests of a class, a theory once for each of its rows.</summary>
    public static IEnumerable<KernelProof> Of(Type type)
    {
        foreach (var method in type.GetMethods().Where(method => method.GetCustomAttribute<FactAttribute>() is not null))
        {
            if (method.GetCustomAttribute<TheoryAttribute>() is null) yield return new KernelProof(type, method, []);
            else foreach (object?[] row in Rows(type, method)) yield return new KernelProof(type, method, row);
        }
    }

    /// <summary>Runs the test on these devices.</summary>
    /// <returns>What it failed with; null where it passed.</returns>
    public Exception? Run(Func<int, DeviceLease> devices)
    {
        Exception? failure = null;
        GpuDevices.Substitute(devices, () =>
        {
            IDisposable? test = null;
            try
            {
                test = (IDisposable)Activator.CreateInstance(Class)!;
                Method.Invoke(test, Arguments);
            }
            catch (TargetInvocationException e) { failure = e.InnerException; }
            finally { test?.Dispose(); }
        });
        return failure;
    }

    /// <inheritdoc/>
    public override string ToString() => $"{Class.FullName![(Class.Namespace!.Length + 1)..]}.{Method.Name}({string.Join(", ", Arguments)})";

    static IEnumerable<object?[]> Rows(Type type, MethodInfo method)
    {
        foreach (var inline in method.GetCustomAttributes<InlineDataAttribute>()) yield return inline.Data;
        foreach (var member in method.GetCustomAttributes<MemberDataAttribute>())
        {
            var rows = (System.Collections.IEnumerable)type.GetProperty(member.MemberName, BindingFlags.Public | BindingFlags.Static | BindingFlags.FlattenHierarchy)!.GetValue(null)!;
            foreach (ITheoryDataRow row in rows) yield return row.GetData();
        }
    }
}
