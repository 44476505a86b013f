using System.Text;
using System.Text.Json.Nodes;
using CommonCanvas.Tests;

namespace CommonCanvas.Models.Tests;

public sealed class TokenizerFilesTests : IDisposable
{
    readonly TempFolder folder = new();

    public TokenizerFilesTests() => ClipTokenizer.Build(["a red circle", "a red square"], 524, 16).Save(folder.Path);

    public void Dispose() => folder.Dispose();

    [Fact]
    public void A_tokenizer_json_alone_is_enough()
    {
        var separate = Tokenizers.Load(folder.Path);
        WriteWhole(pairs: true);
        Assert.Equal(separate.Encode("a Red circle!"), Tokenizers.Load(folder.Path).Encode("a Red circle!"));
        WriteWhole(pairs: false);
        Assert.Equal(separate.Encode("a Red circle!"), Tokenizers.Load(folder.Path).Encode("a Red circle!"));
    }

    [Fact]
    public void The_padding_follows_the_map_of_special_tokens_as_in_transformers()
    {
        int eos = Tokenizers.Load(folder.Path).EosId;
        // Stable Diffusion 2's folder: the configuration pads with the end token, the map with "!".
        Write("special_tokens_map.json", """{"bos_token":{"content":"<|startoftext|>","lstrip":false},"pad_token":"!"}""");
        Assert.Equal(0, Tokenizers.Load(folder.Path).PadId);
        Assert.Equal(0, Tokenizers.Load(folder.Path).Tokenize("!")[0]);
        Write("tokenizer_config.json", """{"tokenizer_class":"CLIPTokenizer","pad_token":"<|endoftext|>","added_tokens_decoder":{"0":{"content":"!"}}}""");
        Assert.Equal(eos, Tokenizers.Load(folder.Path).PadId);
        File.Delete(folder["tokenizer_config.json"]);
        File.Delete(folder["special_tokens_map.json"]);
        var bare = Tokenizers.Load(folder.Path);
        Assert.Equal((eos, 77), (bare.PadId, bare.Length));
    }

    [Theory]
    [InlineData("tokenizer_config.json", """{"tokenizer_class":"T5Tokenizer"}""", "T5Tokenizer")]
    [InlineData("tokenizer_config.json", """{"do_lower_case":false}""", "do_lower_case")]
    [InlineData("tokenizer_config.json", """{"model_max_length":1}""", "model_max_length")]
    [InlineData("tokenizer_config.json", """{"model_max_length":-5}""", "model_max_length")]
    [InlineData("special_tokens_map.json", """{"pad_token":"<pad>"}""", "<pad>")]
    [InlineData("tokenizer_config.json", """{"added_tokens_decoder":{"x":{"content":"y"}}}""", "added token")]
    [InlineData("tokenizer_config.json", "{", "JSON")]
    [InlineData("vocab.json", "{}", "empty")]
    [InlineData("vocab.json", """{"a":0,"b":0}""", "number of its own")]
    [InlineData("vocab.json", """{"a":-1}""", "number of its own")]
    [InlineData("vocab.json", """{"a":1e5}""", "vocab.json")]
    [InlineData("vocab.json", """{"<|startoftext|>":0}""", "<|endoftext|>")]
    [InlineData("merges.txt", "#version: 0.2\na b c\n", "line 2")]
    [InlineData("merges.txt", "#version: 0.2\nab\n", "line 2")]
    [InlineData("merges.txt", "qq zz\n", "fit together")]
    public void Damage_is_an_error_that_names_the_file(string file, string content, string part)
    {
        Write(file, content);
        var error = Assert.Throws<InvalidDataException>(() => Tokenizers.Load(folder.Path));
        Assert.Contains(folder.Path, error.Message, StringComparison.Ordinal);
        Assert.Contains(part, error.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("""{"model":{"type":"WordPiece","vocab":{},"merges":[]}}""")]
    [InlineData("""{"model":{"vocab":{"a":0}}}""")]
    [InlineData("""{"model":{"type":"BPE","end_of_word_suffix":"</w>","vocab":{"a":0},"merges":[]},"pre_tokenizer":{"type":"Whitespace"}}""")]
    [InlineData("[]")]
    public void Another_kind_of_tokenizer_json_is_refused(string json)
    {
        File.Delete(folder["vocab.json"]);
        Write("tokenizer.json", json);
        Assert.Contains("tokenizer.json", Assert.Throws<InvalidDataException>(() => Tokenizers.Load(folder.Path)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void An_absurd_length_is_the_usual_one()
    {
        Write("tokenizer_config.json", """{"model_max_length":1000000000000000019884624838656}""");
        Assert.Equal(77, Tokenizers.Load(folder.Path).Length);
    }

    [Fact]
    public void An_empty_folder_says_what_was_looked_for()
    {
        using var empty = new TempFolder();
        Assert.Contains("vocab.json", Assert.Throws<FileNotFoundException>(() => Tokenizers.Load(empty.Path)).Message, StringComparison.Ordinal);
    }

    [Theory, Trait("Category", "Fuzz")]
    [InlineData("vocab.json")]
    [InlineData("merges.txt")]
    [InlineData("tokenizer_config.json")]
    [InlineData("special_tokens_map.json")]
    [InlineData("tokenizer.json")]
    public void Damaged_files_are_refused_or_give_ids_within_the_vocabulary(string file)
    {
        if (file == "tokenizer.json") WriteWhole(pairs: true);
        byte[] sound = File.ReadAllBytes(folder[file]);
        Mutator.Run([sound], 300, (bytes, _) =>
        {
            File.WriteAllBytes(folder[file], bytes);
            var tokenizer = Tokenizers.Load(folder.Path);
            int[] ids = tokenizer.Encode("a red circle, Ünïcode 42");
            Assert.Equal(tokenizer.Length, ids.Length);
            Assert.All(ids, id => Assert.InRange(id, 0, tokenizer.VocabSize - 1));
        }, e => e is InvalidDataException && e.Message.StartsWith(folder.Path, StringComparison.Ordinal));
    }

    void Write(string file, string content) => File.WriteAllText(folder[file], content);

    /// <summary>The folder's vocabulary as one file of the tokenizers library, and the two others gone.</summary>
    void WriteWhole(bool pairs)
    {
        const string pattern = @"'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+";
        ClipTokenizer.Build(["a red circle", "a red square"], 524, 16).Save(folder.Path);
        var vocab = JsonNode.Parse(File.ReadAllText(folder["vocab.json"]))!;
        var merges = new JsonArray([.. File.ReadAllLines(folder["merges.txt"]).Skip(1).Select(m => pairs ? (JsonNode)new JsonArray([.. m.Split(' ').Select(s => JsonValue.Create(s))]) : JsonValue.Create(m))]);
        var whole = new JsonObject
        {
            ["added_tokens"] = new JsonArray(new JsonObject { ["id"] = (int)vocab["<|endoftext|>"]!, ["content"] = "<|endoftext|>" }),
            ["normalizer"] = new JsonObject { ["normalizers"] = new JsonArray(new JsonObject { ["type"] = "NFC" }, new JsonObject { ["type"] = "Lowercase" }) },
            ["pre_tokenizer"] = new JsonObject { ["pretokenizers"] = new JsonArray(new JsonObject { ["type"] = "Split", ["pattern"] = new JsonObject { ["Regex"] = pattern } }) },
            ["model"] = new JsonObject { ["type"] = "BPE", ["end_of_word_suffix"] = "</w>", ["vocab"] = vocab, ["merges"] = merges },
        };
        File.WriteAllBytes(folder["tokenizer.json"], Encoding.UTF8.GetBytes(whole.ToJsonString()));
        File.Delete(folder["vocab.json"]);
        File.Delete(folder["merges.txt"]);
    }
}
