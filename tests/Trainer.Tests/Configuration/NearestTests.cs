using CommonCanvas.Trainer.Configuration;

namespace CommonCanvas.Trainer.Tests.Configuration;

public sealed class NearestTests
{
    [Theory]
    [InlineData("", "abc", 3)]
    [InlineData("kitten", "sitting", 3)]
    [InlineData("Steps", "steps", 0)]
    [InlineData("abc", "", 3)]
    public void Distance_counts_edits(string a, string b, int edits) => Assert.Equal(edits, Nearest.Distance(a, b));

    [Fact]
    public void Finds_the_closest() => Assert.Equal("steps", Nearest.To("step", ["seed", "steps", "samples"]));

    [Fact]
    public void Of_nothing_is_nothing() => Assert.Null(Nearest.To("a", []));
}
