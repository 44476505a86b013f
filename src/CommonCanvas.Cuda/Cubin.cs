using System.Buffers.Binary;
using System.Text;

namespace CommonCanvas.Cuda;

/// <summary>What the machine code of a kernel is made of.</summary>
/// <param name="Registers">Registers of a thread.</param>
/// <param name="SharedBytes">Static shared memory; where there is any, for sm_90 with 1024 bytes that the system reserves.</param>
/// <param name="Instructions">Machine instructions, padding left out.</param>
/// <param name="MatrixInstructions">Of them HMMA: matrix products of 16-bit elements.</param>
/// <param name="LocalAccesses">Of them loads from and stores to local memory: spills and indexed arrays.</param>
public sealed record KernelImage(int Registers, int SharedBytes, int Instructions, int MatrixInstructions, int LocalAccesses);

/// <summary>
/// Reads the ELF image that NVRTC makes for a real architecture (sm_70 and newer): a section <c>.text.NAME</c> for each
/// kernel, of instructions of 16 bytes whose lowest 12 bits are the opcode, with the number of the kernel's symbol in the lower
/// bytes of the section's info; the registers of each symbol in <c>.nv.info</c>; a section <c>.nv.shared.NAME</c> where it has
/// static shared memory.
/// </summary>
public static class Cubin
{
    const int HeaderBytes = 64, SectionBytes = 64, InstructionBytes = 16, OpcodeMask = 0xfff;
    const int Nop = 0x918;
    const string TextPrefix = ".text.", SharedPrefix = ".nv.shared.", InfoSection = ".nv.info";
    const uint SymbolMask = 0xffffff;

    static readonly HashSet<int> Matrix = [0x236, 0x23c];     // HMMA of sm_70; of sm_75 and newer
    static readonly HashSet<int> Local = [0x983, 0x387, 0x987]; // LDL, STL with a register or an immediate

    readonly record struct Section(string Name, long Offset, long Bytes, uint Info);

    /// <summary>The kernels of an image by name.</summary>
    /// <exception cref="InvalidDataException">It is not a 64-bit ELF image, or its sections lie outside it.</exception>
    public static IReadOnlyDictionary<string, KernelImage> Read(byte[] image)
    {
        var sections = Sections(image);
        var registers = Registers(image, sections.FirstOrDefault(section => section.Name == InfoSection));
        var kernels = new Dictionary<string, KernelImage>(StringComparer.Ordinal);
        foreach (var text in sections)
        {
            if (!text.Name.StartsWith(TextPrefix, StringComparison.Ordinal)) continue;
            string name = text.Name[TextPrefix.Length..];
            long shared = sections.FirstOrDefault(section => section.Name == SharedPrefix + name).Bytes;
            int instructions = 0, matrix = 0, local = 0;
            for (long at = text.Offset; at + InstructionBytes <= text.Offset + text.Bytes; at += InstructionBytes)
            {
                int opcode = (int)BinaryPrimitives.ReadUInt32LittleEndian(image.AsSpan((int)at)) & OpcodeMask;
                if (opcode == Nop) continue;
                instructions++;
                if (Matrix.Contains(opcode)) matrix++;
                if (Local.Contains(opcode)) local++;
            }
            if (!registers.TryGetValue(text.Info & SymbolMask, out int count)) throw new InvalidDataException($"the image does not say how many registers {name} takes");
            kernels.Add(name, new KernelImage(count, (int)shared, instructions, matrix, local));
        }
        return kernels;
    }

    // Attributes: a form, a code and 16 bits, which are the size of what follows in one of the forms.
    static Dictionary<uint, int> Registers(byte[] image, Section info)
    {
        const int Head = 4, SizedForm = 4, RegisterCount = 0x2f;
        var found = new Dictionary<uint, int>();
        var rest = image.AsSpan((int)info.Offset, (int)info.Bytes);
        while (rest.Length >= Head)
        {
            int size = rest[0] == SizedForm ? BinaryPrimitives.ReadUInt16LittleEndian(rest[2..]) : 0;
            if (size > rest.Length - Head) throw new InvalidDataException("an attribute of the image lies outside its section");
            if (rest[1] == RegisterCount && size == 2 * sizeof(uint))
                found[BinaryPrimitives.ReadUInt32LittleEndian(rest[Head..])] = (int)BinaryPrimitives.ReadUInt32LittleEndian(rest[(Head + sizeof(uint))..]);
            rest = rest[(Head + size)..];
        }
        return found;
    }

    static List<Section> Sections(byte[] image)
    {
        if (image.Length < HeaderBytes || !image.AsSpan(0, 5).SequenceEqual("\u007fELF\u0002"u8))
            throw new InvalidDataException("the image is not a 64-bit ELF file: compile for a real architecture, such as sm_80");
        long table = BinaryPrimitives.ReadInt64LittleEndian(image.AsSpan(40));
        int count = BinaryPrimitives.ReadUInt16LittleEndian(image.AsSpan(60)), names = BinaryPrimitives.ReadUInt16LittleEndian(image.AsSpan(62));
        if (table < 0 || table + (long)count * SectionBytes > image.Length || names >= count) throw new InvalidDataException("the ELF file's section table lies outside it");
        ReadOnlySpan<byte> Header(int index) => image.AsSpan((int)table + index * SectionBytes, SectionBytes);
        var (strings, stringBytes) = Range(Header(names), image.Length);
        var sections = new List<Section>(count);
        for (int i = 0; i < count; i++)
        {
            var header = Header(i);
            uint name = BinaryPrimitives.ReadUInt32LittleEndian(header);
            if (name >= stringBytes) throw new InvalidDataException($"the name of section {i} lies outside the ELF file's strings");
            var text = image.AsSpan((int)(strings + name), (int)(stringBytes - name));
            int end = text.IndexOf((byte)0);
            const uint WithoutContents = 8;
            bool empty = BinaryPrimitives.ReadUInt32LittleEndian(header[4..]) == WithoutContents;
            var (offset, bytes) = empty ? (0, BinaryPrimitives.ReadInt64LittleEndian(header[32..])) : Range(header, image.Length);
            sections.Add(new Section(Encoding.ASCII.GetString(end < 0 ? text : text[..end]), offset, bytes, BinaryPrimitives.ReadUInt32LittleEndian(header[44..])));
        }
        return sections;
    }

    static (long Offset, long Bytes) Range(ReadOnlySpan<byte> header, int length)
    {
        long offset = BinaryPrimitives.ReadInt64LittleEndian(header[24..]), bytes = BinaryPrimitives.ReadInt64LittleEndian(header[32..]);
        if (offset < 0 || bytes < 0 || offset > length - bytes) throw new InvalidDataException("a section of the ELF file lies outside it");
        return (offset, bytes);
    }
}
