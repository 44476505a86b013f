using System.Text.Json;
using CommonCanvas.Tests;
using CsCheck;

namespace CommonCanvas.Models.Tests;

public sealed class ClipTokenizerTests : IDisposable
{
    readonly TempFolder folder = new();

    public void Dispose() => folder.Dispose();

    [Fact]
    [Trait("Category", "Golden")]
    public void Every_reference_text_has_the_reference_ids()
    {
        int texts = 0;
        foreach (string cases in Golden.Folders("clip-tokenizer"))
        {
            var tokenizer = Tokenizers.Load(cases);
            Tokenizers.Load(cases).Save(folder.Path);
            var copy = Tokenizers.Load(folder.Path);
            Assert.Equal(tokenizer.Fingerprint, copy.Fingerprint);
            // The same vocabulary as tokenizer.json alone gives the same ids.
            var alone = Directory.EnumerateFiles(Golden.Require(), "tokenizer.json", SearchOption.AllDirectories)
                .Select(f => Tokenizers.Load(Path.GetDirectoryName(f)!)).Where(t => t.VocabSize == tokenizer.VocabSize && t.PadId == tokenizer.PadId).ToArray();
            foreach (var (text, ids) in Cases(cases))
            {
                foreach (var t in alone.Append(tokenizer).Append(copy))
                    Assert.True(ids.SequenceEqual(t.Encode(text)), $"{text}: {string.Join(" ", t.Encode(text))}");
                texts++;
            }
        }
        Assert.SkipWhen(texts == 0, "no reference cases");
    }

    /// <summary>The carried vocabulary holds only the tokens and merges that can occur in the reference texts, under their own ids.</summary>
    [Fact]
    public void Carried_reference_texts_have_the_reference_ids()
    {
        string carried = Path.Combine(Golden.Carried, "clip-tokenizer");
        var tokenizer = Tokenizers.Load(carried);
        foreach (var (text, ids) in Cases(carried)) Assert.True(ids.SequenceEqual(tokenizer.Encode(text)), text);
    }

    [Fact]
    public void Bytes_alone_encode_any_text()
    {
        var tokenizer = ClipTokenizer.ForBytes(12);
        Assert.Equal((514, 12, 512, 513, 513), (tokenizer.VocabSize, tokenizer.Length, tokenizer.BosId, tokenizer.EosId, tokenizer.PadId));
        // '!' is byte 33, the first of the alphabet; the last byte of a word is 256 higher.
        Assert.Equal([512, 'a' - '!', 'b' - '!' + 256, 'c' - '!' + 256, 513, 513, 513, 513, 513, 513, 513, 513], tokenizer.Encode(" AB\n c"));
        Assert.Equal([512, 'a' - '!', .. Enumerable.Repeat('a' - '!', 9), 513], tokenizer.Encode(new string('a', 100)));
        Assert.Equal([512, 513], ClipTokenizer.ForBytes(2).Encode("anything"));
    }

    [Fact]
    public void Learned_merges_are_the_most_frequent_pairs_in_order()
    {
        var tokenizer = ClipTokenizer.Build(["low low low lower lower", "newest newest newest newest newest newest widest widest widest"], 520);
        // By hand: "es" and "est" occur 9 times; of the pairs of "newest", 6 each, the ordinally first goes first; "lo" 5.
        Assert.Equal([("e", "s"), ("es", "t</w>"), ("e", "w"), ("ew", "est</w>"), ("n", "ewest</w>"), ("l", "o")], tokenizer.Vocabulary.Merges);
        Assert.Equal(520, tokenizer.VocabSize);
        Assert.Single(tokenizer.Tokenize("newest"));
    }

    [Fact]
    public void A_built_tokenizer_makes_frequent_words_one_token_and_ends_when_nothing_repeats()
    {
        string[] captions = [.. from colour in (string[])["red", "green", "blue"] from shape in (string[])["circle", "square"] select $"a {colour} {shape}"];
        var tokenizer = ClipTokenizer.Build(captions, 4096, 8);
        Assert.InRange(tokenizer.VocabSize, 515, 4095);
        foreach (string caption in captions) Assert.Equal(3, tokenizer.Tokenize(caption).Count);
        Assert.Equal(captions.Length, captions.Select(c => string.Join(",", tokenizer.Encode(c))).Distinct().Count());
        Assert.Equal(tokenizer.Fingerprint, ClipTokenizer.Build(captions, 4096, 8).Fingerprint);
        Assert.NotEqual(tokenizer.Fingerprint, ClipTokenizer.Build(captions, 520, 8).Fingerprint);
        Assert.NotEqual(tokenizer.Fingerprint, ClipTokenizer.Build(captions, 4096, 9).Fingerprint);
    }

    [Fact]
    public void What_is_saved_is_loaded()
    {
        var texts = Gen.String[Gen.Char[' ', '\u0180'], 0, 40];
        Gen.Select(texts.Array[0, 30], Gen.Int[514, 560], Gen.Int[2, 80], texts.Array[20]).Sample((captions, size, length, tries) =>
        {
            var tokenizer = ClipTokenizer.Build(captions, size, length);
            tokenizer.Save(folder.Path);
            var loaded = Tokenizers.Load(folder.Path);
            Assert.Equal((tokenizer.Length, tokenizer.VocabSize, tokenizer.BosId, tokenizer.EosId, tokenizer.PadId, tokenizer.Fingerprint),
                (loaded.Length, loaded.VocabSize, loaded.BosId, loaded.EosId, loaded.PadId, loaded.Fingerprint));
            foreach (string text in tries.Concat(captions)) Assert.Equal(tokenizer.Encode(text), loaded.Encode(text));
        }, iter: 60, threads: 1);
    }

    [Fact]
    public void Any_string_has_ids_within_the_vocabulary()
    {
        var tokenizer = ClipTokenizer.Build(["a red circle", "<|endoftext|> red"], 530, 16);
        Gen.String.Sample(text =>
        {
            int[] ids = tokenizer.Encode(text);
            Assert.Equal(16, ids.Length);
            Assert.Equal(tokenizer.BosId, ids[0]);
            Assert.Contains(tokenizer.EosId, ids);
            Assert.All(ids, id => Assert.InRange(id, 0, tokenizer.VocabSize - 1));
        }, iter: 2000);
    }

    [Fact]
    public void Special_tokens_are_taken_as_they_stand()
    {
        var tokenizer = ClipTokenizer.ForBytes();
        Assert.Equal([512, 513, 'x' - '!' + 256], tokenizer.Tokenize("<|startoftext|><|endoftext|> X"));
        // In capitals they are text: "<|", "endoftext", "|>".
        Assert.Equal(13, tokenizer.Tokenize("<|ENDOFTEXT|>").Count);
        Assert.Equal('|' - '!', tokenizer.Tokenize("<|ENDOFTEXT|>!")[11]);
    }

    [Fact]
    public void Many_threads_get_the_same_ids()
    {
        var tokenizer = ClipTokenizer.Build(["a red circle on a blue background"], 600, 32);
        int[] expected = tokenizer.Encode("a red circle on a blue square");
        Parallel.For(0, 2000, i => Assert.Equal(expected, tokenizer.Encode("a red circle on a blue square")));
    }

    static IEnumerable<(string Text, int[] Ids)> Cases(string folder)
    {
        foreach (string line in File.ReadLines(Path.Combine(folder, "cases.jsonl")))
        {
            using var json = JsonDocument.Parse(line);
            yield return (json.RootElement.GetProperty("text").GetString()!, [.. json.RootElement.GetProperty("input_ids").EnumerateArray().Select(i => i.GetInt32())]);
        }
    }
}
