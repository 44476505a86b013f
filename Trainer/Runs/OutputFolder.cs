using CommonCanvas.Trainer.Configuration;

namespace CommonCanvas.Trainer.Runs;

/// <summary>Sees that results can be written before anything long begins.</summary>
public static class OutputFolder
{
    /// <summary>Makes the folder where it is missing.</summary>
    /// <exception cref="ConfigException">Its name is empty.</exception>
    /// <exception cref="IOException">It is no folder, or nothing can be written into it.</exception>
    public static void Require(string folder)
    {
        if (folder.Length == 0) throw new ConfigException("the output folder has an empty name; name one with --out");
        if (Problem(folder) is { } problem) throw new IOException($"{folder} {problem}; name another folder with --out");
    }

    /// <summary>What is wrong with a folder that is to be written into; null for nothing. It is made where it is missing.</summary>
    public static string? Problem(string folder)
    {
        string file = Path.Combine(folder, ".commoncanvas-" + Guid.NewGuid().ToString("N"));
        try
        {
            if (File.Exists(folder)) return "is a file";
            Directory.CreateDirectory(folder);
            File.WriteAllText(file, "");
            File.Delete(file);
            return null;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return "cannot be written";
        }
    }
}
