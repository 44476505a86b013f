using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Microsoft.Win32.SafeHandles;

namespace CommonCanvas.Data;

/// <summary>
/// What is complete in a folder that is being written: a first line that says how it is written, then a line for each shard
/// and the input position behind it. A line is added, and flushed to the disk, only after its shard is there under its own
/// name; so a line that is whole can be believed, and a torn last line is cut off.
/// </summary>
sealed class MdsJournal : IDisposable
{
    const string FileName = "journal.jsonl";
    readonly string path;
    readonly SafeFileHandle? file;
    long end;

    MdsJournal(string path, SafeFileHandle? file, long end, List<MdsShardInfo> shards, long cursor)
    {
        this.path = path;
        this.file = file;
        this.end = end;
        Shards = shards;
        Cursor = cursor;
    }

    public List<MdsShardInfo> Shards { get; }

    public long Cursor { get; }

    public static bool Exists(string folder) => File.Exists(Path.Combine(folder, FileName));

    public static void Delete(string folder) => File.Delete(Path.Combine(folder, FileName));

    /// <summary>Stands for the journal of a folder that needs none any more.</summary>
    public static MdsJournal Finished(string folder, List<MdsShardInfo> shards) => new(Path.Combine(folder, FileName), null, 0, shards, 0);

    /// <summary>Opens or begins a journal, and clears away what an interrupted run left half done.</summary>
    public static MdsJournal Open(string folder, MdsShardInfo plan, JsonObject? metadata)
    {
        string path = Path.Combine(folder, FileName);
        JsonObject head = plan.Config();
        head[MdsIndex.MetadataKey] = metadata?.DeepClone();
        SafeFileHandle file = OpenFile(path);
        try
        {
            (List<MdsShardInfo> shards, long cursor, long end) = Read(path, folder, file, head);
            var journal = new MdsJournal(path, file, end, shards, cursor);
            RandomAccess.SetLength(file, end);
            // Only now: until the journal is this run's, they may be what another one is writing.
            foreach (string left in Directory.EnumerateFiles(folder, "*" + AtomicFile.TemporaryEnding).Where(f => Path.GetFileName(f).StartsWith("shard.", StringComparison.Ordinal) || Path.GetFileName(f).StartsWith(MdsIndex.FileName, StringComparison.Ordinal)))
                File.Delete(left);
            if (end == 0)
            {
                journal.AppendLine(head);
                AtomicFile.FlushFolder(folder);
            }
            return journal;
        }
        catch
        {
            file.Dispose();
            throw;
        }
    }

    /// <summary>Notes a shard that is complete on the disk.</summary>
    public void Append(MdsShardInfo shard, long cursor) => AppendLine(new JsonObject { ["cursor"] = cursor, ["shard"] = shard.Entry() });

    public void Dispose() => file?.Dispose();

    /// <summary>Throws, naming the keys, unless two records are the same.</summary>
    public static void RequireSame(string path, JsonObject there, JsonObject wanted)
    {
        string[] keys = [.. there.Select(k => k.Key).Union(wanted.Select(k => k.Key)).Where(k => PythonJson.Text(there[k], true) != PythonJson.Text(wanted[k], true))];
        if (keys.Length == 0) return;
        IEnumerable<string> differences = keys.Select(k => $"{k} is {Short(there[k])} there and {Short(wanted[k])} now");
        throw DataError.In(path, $"was begun with other settings: {string.Join("; ", differences)}; go on with the same settings, or write into another folder");
    }

    static string Short(JsonNode? node) => DataError.Shown(PythonJson.Text(node, true), 400);

    static SafeFileHandle OpenFile(string path)
    {
        try { return File.OpenHandle(path, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None); }
        catch (IOException cause) { throw new IOException($"{path}: cannot be opened ({cause.Message}); is another run writing into this folder?", cause); }
    }

    static (List<MdsShardInfo> Shards, long Cursor, long End) Read(string path, string folder, SafeFileHandle file, JsonObject head)
    {
        long length = RandomAccess.GetLength(file);
        if (length > Array.MaxLength) throw DataError.In(path, $"a journal of {length} bytes");
        var bytes = new byte[length];
        for (int have = 0; have < bytes.Length;)
        {
            int n = RandomAccess.Read(file, bytes.AsSpan(have), have);
            if (n == 0) break;
            have += n;
        }
        var shards = new List<MdsShardInfo>();
        long cursor = 0;
        int at = 0;
        for (int line = 1; Array.IndexOf(bytes, (byte)'\n', at) is int stop and >= 0; line++)
        {
            try
            {
                JsonObject entry = MdsIndex.Parse(path, bytes.AsSpan(at, stop - at));
                if (line == 1) RequireSame(path, entry, head);
                else
                {
                    MdsShardInfo shard = MdsIndex.Shard(entry["shard"] as JsonObject ?? throw new FormatException("no shard"));
                    cursor = (long?)entry["cursor"] ?? throw new FormatException("no cursor");
                    var stored = new FileInfo(Path.Combine(folder, shard.Stored.Basename));
                    if (!stored.Exists || stored.Length != shard.Stored.Bytes) throw DataError.In(stored.FullName, $"should have {shard.Stored.Bytes} bytes and {(stored.Exists ? $"has {stored.Length}" : "is missing")}; put it back, or delete the folder and start again");
                    shards.Add(shard);
                }
            }
            catch (Exception cause) when (MdsIndex.IsMalformed(cause))
            {
                throw DataError.In(path, $"line {line} is damaged ({cause.Message}); delete the folder and start again", cause);
            }
            at = stop + 1;
        }
        return (shards, cursor, at);
    }

    void AppendLine(JsonObject line)
    {
        byte[] bytes = Encoding.ASCII.GetBytes(PythonJson.Text(line, sortKeys: true) + "\n");
        try
        {
            RandomAccess.Write(file!, bytes, end);
            RandomAccess.FlushToDisk(file!);
        }
        catch (IOException cause)
        {
            throw new IOException($"{path}: cannot be written ({cause.Message}); the shards before are whole: free space and start again", cause);
        }
        end += bytes.Length;
    }
}
