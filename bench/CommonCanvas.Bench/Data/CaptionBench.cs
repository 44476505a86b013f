using BenchmarkDotNet.Attributes;
using CommonCanvas.Models;

namespace CommonCanvas.Bench.Data;

/// <summary>Captions to 77 token ids each, on one thread.</summary>
[MemoryDiagnoser(false)]
public class CaptionBench : IMeasured
{
    const int VocabSize = 800;

    static readonly string[] captions =
    [
        "a lighthouse on a rocky coast at sunset, waves breaking against the stones below",
        "Two children flying a red kite on a wide, empty beach; clouds above the sea",
        "close-up photograph of a bumblebee on a purple thistle, shallow depth of field",
        "The old town hall of Görlitz, seen from across the market square in winter",
        "an oil painting of a sailing ship in a storm, in the style of the 19th century",
        "A bowl of ramen with a soft-boiled egg, spring onions and two slices of pork",
        "steam locomotive No. 52 8177 leaving the station, 14 August 1987",
        "white cat",
        "aerial view of green terraced rice fields with a narrow road winding between them",
        "Portrait of a woman with grey hair and round glasses who smiles into the camera",
        "hot-air balloons rising over a valley full of fog just before the sun comes up",
        "an empty street at night, wet asphalt reflecting neon signs in pink and blue",
    ];

    ITokenizer tokenizer = null!;

    /// <summary>Learns a vocabulary from half of the captions, so that the other half needs several tokens a word.</summary>
    [GlobalSetup]
    public void Setup() => tokenizer = ClipTokenizer.Build(captions.Take(captions.Length / 2), VocabSize);

    /// <summary>All captions.</summary>
    [Benchmark]
    public int Encode()
    {
        int last = 0;
        foreach (string caption in captions) last = tokenizer.Encode(caption)[^1];
        return last;
    }

    /// <inheritdoc/>
    public IEnumerable<Amount> Amounts(string method) => [new("captions/s", captions.Length)];
}
