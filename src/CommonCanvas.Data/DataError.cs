namespace CommonCanvas.Data;

/// <summary>
/// Makes the one exception that damaged or hostile input raises in this project: <see cref="InvalidDataException"/>,
/// whose message starts with the file, then says what is wrong and, where there is one, the remedy.
/// </summary>
static class DataError
{
    /// <summary>An error in <paramref name="file"/>.</summary>
    public static InvalidDataException In(string file, string problem, Exception? cause = null) =>
        new($"{file}: {problem}", cause);

    /// <summary>
    /// Makes text from a file fit for a message: control characters replaced, long text cut, so that hostile input can
    /// neither flood a log nor drive a terminal.
    /// </summary>
    public static string Shown(string text, int limit = 80)
    {
        ReadOnlySpan<char> head = text.AsSpan(0, Math.Min(text.Length, limit));
        string shown = string.Create(head.Length, text, static (to, from) =>
        {
            for (int i = 0; i < to.Length; i++) to[i] = char.IsControl(from[i]) || char.IsSurrogate(from[i]) ? '?' : from[i];
        });
        return text.Length > limit ? shown + "..." : shown;
    }
}
