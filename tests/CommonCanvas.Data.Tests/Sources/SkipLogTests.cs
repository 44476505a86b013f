using System.Text.Json.Nodes;

namespace CommonCanvas.Data.Tests;

public sealed class SkipLogTests
{
    [Fact]
    public void SkipsAreListedAndCounted()
    {
        using var temp = new TempFolder();
        using (SkipLog log = SkipLog.Open(temp["run"]))
        {
            Assert.Equal("none skipped", log.Summary());
            Parallel.For(0, 50, i => log.Add(i, $"é/{i}.png", new PictureException(i % 2 == 0 ? SkipReason.TooSmall : SkipReason.CannotDecode, "why")));
            Assert.Equal(50, log.Total);
            Assert.Equal(25, log.Counts[SkipReason.TooSmall]);
            Assert.StartsWith("50 skipped (25 CannotDecode, 25 TooSmall; see ", log.Summary(), StringComparison.Ordinal);
        }
        string[] lines = File.ReadAllLines(Path.Combine(temp["run"], SkipLog.FileName));
        Assert.Equal(50, lines.Select(l => (int)JsonNode.Parse(l)!["index"]!).Distinct().Count());
        Assert.All(lines, l => Assert.Equal("why", (string?)JsonNode.Parse(l)!["detail"]));
    }

    [Fact]
    public void AResumedRunListsEachOnce()
    {
        using var temp = new TempFolder();
        using (SkipLog log = SkipLog.Open(temp.Path))
            for (int i = 0; i < 10; i++) log.Add(i, $"{i}", new PictureException(SkipReason.TooSmall, "why"));
        File.AppendAllText(temp[SkipLog.FileName], "{\"index\": 3, \"ke");
        using (SkipLog log = SkipLog.Open(temp.Path, resumeAt: 6))
        {
            Assert.Equal(6, log.Total);
            for (int i = 6; i < 10; i++) log.Add(i, $"{i}", new PictureException(SkipReason.TooSmall, "why"));
        }
        Assert.Equal(Enumerable.Range(0, 10), File.ReadAllLines(temp[SkipLog.FileName]).Select(l => (int)JsonNode.Parse(l)!["index"]!));
        using SkipLog fresh = SkipLog.Open(temp.Path);
        Assert.Equal(0, fresh.Total);
    }
}
