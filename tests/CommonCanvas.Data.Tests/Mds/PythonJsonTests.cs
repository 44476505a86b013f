using System.Globalization;
using System.Text.Json.Nodes;
using CsCheck;

namespace CommonCanvas.Data.Tests;

public sealed class PythonJsonTests
{
    [Theory]
    [InlineData(0.1, "0.1")]
    [InlineData(1, "1.0")]
    [InlineData(-0.0, "-0.0")]
    [InlineData(1e16, "1e+16")]
    [InlineData(123456789012345680, "1.2345678901234568e+17")]
    [InlineData(9999999999999998, "9999999999999998.0")]
    [InlineData(0.0001, "0.0001")]
    [InlineData(0.00001, "1e-05")]
    [InlineData(1.5e-7, "1.5e-07")]
    [InlineData(1e100, "1e+100")]
    [InlineData(1e23, "1e+23")]
    [InlineData(9.5e-5, "9.5e-05")]
    [InlineData(5e-324, "5e-324")]
    [InlineData(-1234.5, "-1234.5")]
    public void NumbersAreWrittenAsPythonPrintsThem(double value, string text) => Assert.Equal(text, PythonJson.Number(value));

    [Fact]
    public void NumbersReadBack() => Gen.Double.Where(double.IsFinite).Sample(value =>
        BitConverter.DoubleToInt64Bits(double.Parse(PythonJson.Number(value), CultureInfo.InvariantCulture)) == BitConverter.DoubleToInt64Bits(value));

    [Fact]
    public void TextReadsBackAndIsAscii() => Gen.String.Sample(text =>
    {
        // Half a surrogate pair survives escaped, as in Python.
        string json = PythonJson.Text(new JsonObject { ["k"] = JsonValue.Create(text) });
        return json.All(c => c is >= ' ' and <= '~') && (text.Any(char.IsSurrogate) || (string?)JsonNode.Parse(json)!["k"] == text);
    });

    [Fact]
    public void KeysAreSortedByCodePoint()
    {
        // U+FF5E sorts before U+1F600 by code point, after it by UTF-16 unit.
        var node = new JsonObject { ["\U0001F600"] = 1, ["\uFF5E"] = 2, ["a"] = 1.50, ["B"] = JsonNode.Parse("[1.50, 1e2, 10000000000000000000000]") };
        Assert.Equal("""{"B": [1.5, 100.0, 10000000000000000000000], "a": 1.5, "\uff5e": 2, "\ud83d\ude00": 1}""", PythonJson.Text(node, sortKeys: true));
        Assert.Equal("""{"x": 1.0}""", PythonJson.Text(new JsonObject { ["x"] = 1.0 }));
    }
}
