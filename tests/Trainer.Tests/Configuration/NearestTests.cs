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

    /// <summary>A guess at what was not meant misleads.</summary>
    [Theory]
    [InlineData("pictures")]
    [InlineData("lr")]
    [InlineData("")]
    public void What_is_far_from_all_has_no_nearest(string word) => Assert.Null(Nearest.To(word, ["pipeline", "seed", "learning_rate"]));

    [Fact]
    public void Of_nothing_is_nothing() => Assert.Null(Nearest.To("a", []));
}
