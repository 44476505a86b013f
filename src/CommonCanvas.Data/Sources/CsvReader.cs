using System.Text;

namespace CommonCanvas.Data;

/// <summary>Comma-separated values by RFC 4180: fields in double quotes may hold commas, line breaks and doubled quotes.</summary>
sealed class CsvReader(string path, TextReader text)
{
    /// <summary>Line on which the last row began.</summary>
    public int Line { get; private set; }

    int nextLine = 1;

    /// <summary>The next row, or null at the end.</summary>
    /// <exception cref="InvalidDataException">A quote is not closed, something follows a closing quote, or the text is not UTF-8.</exception>
    public string[]? Next()
    {
        try { return Row(); }
        catch (DecoderFallbackException cause) { throw DataError.In(path, $"near line {nextLine}: not UTF-8", cause); }
    }

    string[]? Row()
    {
        int c = text.Read();
        if (c < 0) return null;
        Line = nextLine;
        var row = new List<string>();
        var field = new StringBuilder();
        int length = 0;
        bool quoted = false, closed = false;
        for (; ; c = text.Read())
        {
            if (++length > MetadataFile.MaxRecord) throw DataError.In(path, $"the row of line {Line} is longer than {MetadataFile.MaxRecord} characters; is a quote not closed?");
            if (c == '\n') nextLine++;
            if (quoted)
            {
                if (c < 0) throw DataError.In(path, $"the quote of the row of line {Line} is not closed");
                if (c != '"') field.Append((char)c);
                else if (text.Peek() == '"') field.Append((char)text.Read());
                else (quoted, closed) = (false, true);
                continue;
            }
            if (c == '\r' && text.Peek() == '\n') continue;
            if (c is ',' or '\n' or < 0)
            {
                row.Add(field.ToString());
                field.Clear();
                closed = false;
                if (c != ',') return [.. row];
                continue;
            }
            if (closed) throw DataError.In(path, $"line {nextLine}: text after a closing quote");
            if (c == '"' && field.Length == 0) quoted = true;
            else field.Append((char)c);
        }
    }
}
