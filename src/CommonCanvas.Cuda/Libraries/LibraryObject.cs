using System.Runtime.InteropServices;

namespace CommonCanvas.Cuda;

/// <summary>A call of one of NVIDIA's libraries that failed: names the library, the call, the code and what it was about.</summary>
/// <param name="library">The library, with its version.</param>
/// <param name="call">The function.</param>
/// <param name="status">Name and number of the code.</param>
/// <param name="context">Shapes, or a remedy.</param>
public sealed class LibraryCallException(string library, string call, string status, string context)
    : Exception($"{library}: {call} failed: {status}; {context}")
{
    /// <summary>The code.</summary>
    public string Status { get; } = status;
}

/// <summary>An object of a library (a handle, a descriptor) and the function that destroys it.</summary>
public sealed unsafe class LibraryObject : SafeHandle
{
    readonly delegate* unmanaged<nint, int> destroy;

    /// <summary>Takes over an object.</summary>
    public LibraryObject(nint handle, delegate* unmanaged<nint, int> destroy) : base(handle, ownsHandle: true) => this.destroy = destroy;

    /// <summary>The library's handle.</summary>
    public nint Value => IsInvalid || IsClosed ? throw new ObjectDisposedException(nameof(LibraryObject)) : handle;

    /// <inheritdoc/>
    public override bool IsInvalid => handle == 0;

    /// <inheritdoc/>
    protected override bool ReleaseHandle() => destroy(handle) == 0;
}
