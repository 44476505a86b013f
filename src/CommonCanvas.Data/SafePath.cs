namespace CommonCanvas.Data;

/// <summary>Paths that come out of data files (metadata, archives, indexes) may name only what is below their folder.</summary>
static class SafePath
{
    /// <summary>
    /// True for a relative path without <c>..</c>, drive, backslash, or control character. Whether a link on the way leads
    /// out is asked of the file system by <see cref="Resolve"/>.
    /// </summary>
    public static bool IsInside(string path)
    {
        if (path.Length == 0 || path[0] == '/' || path.Contains('\\', StringComparison.Ordinal) || HasDrive(path)) return false;
        foreach (char c in path)
            if (char.IsControl(c)) return false;
        foreach (Range part in path.AsSpan().Split('/'))
            if (path.AsSpan(part) is "..") return false;
        return true;
    }

    /// <summary>Full path of a file below <paramref name="folder"/>, or null where the path or a link on the way leads out.</summary>
    public static string? Resolve(string folder, string relative)
    {
        if (!IsInside(relative)) return null;
        string full = Path.GetFullPath(Path.Combine(folder, relative));
        return StaysInside(Path.GetFullPath(folder), full) ? full : null;
    }

    /// <summary>Follows the links among the components of <paramref name="full"/> below <paramref name="folder"/>.</summary>
    public static bool StaysInside(string folder, string full)
    {
        string real = RealPath(folder, 0) ?? folder;
        string? target = RealPath(full, 0);
        return target is not null && (target == real || target.StartsWith(real.EndsWith('/') ? real : real + Path.DirectorySeparatorChar, StringComparison.Ordinal));
    }

    /// <summary>Where a path ends when every link on it is followed; null where links run in a circle.</summary>
    static string? RealPath(string path, int depth)
    {
        if (depth > 40) return null;
        string? parent = Path.GetDirectoryName(path);
        if (parent is null) return path;
        string? realParent = RealPath(parent, depth);
        if (realParent is null) return null;
        string here = Path.Combine(realParent, Path.GetFileName(path));
        string? link = new FileInfo(here).LinkTarget;
        return link is null ? here : RealPath(Path.GetFullPath(Path.Combine(realParent, link)), depth + 1);
    }

    static bool HasDrive(string path) => path.Length > 1 && path[1] == ':';
}
