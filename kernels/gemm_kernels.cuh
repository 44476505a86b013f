// The variants of the products of an operation. A kernel file defines FORWARD, INPUT and, where it has that product, WEIGHT(suffix
// of the name, tile), the head of a kernel, and *_BODY(tile, whether 16 bytes of every operand lie in one line), and includes this
// at its end. The launching side has the same list. Tiles are few, because each is compiled: a large one; one that is half as wide or tall, for
// the 320 channels that 128 does not divide; one whose number of tiles lies between; a small one. A kernel's body stands on
// lines of its own: where it does not, NVRTC 11.8 ends in a segmentation fault over sm_90 with -lineinfo.

#if defined(STORAGE_F32)

FORWARD(Simt, ScalarTile)
{
    FORWARD_BODY(ScalarTile, true);
}

INPUT(Simt, ScalarTile)
{
    INPUT_BODY(ScalarTile, true);
}

#if defined(WEIGHT)

WEIGHT(Simt, ScalarTile)
{
    WEIGHT_BODY(ScalarTile, true);
}

#endif

#else

FORWARD(160x160, Tile160x160)
{
    FORWARD_BODY(Tile160x160, true);
}

FORWARD(128x128, Tile128x128)
{
    FORWARD_BODY(Tile128x128, true);
}

FORWARD(80x160, Tile80x160)
{
    FORWARD_BODY(Tile80x160, true);
}

FORWARD(96x128, Tile96x128)
{
    FORWARD_BODY(Tile96x128, true);
}

FORWARD(64x64, Tile64x64)
{
    FORWARD_BODY(Tile64x64, true);
}

FORWARD(Unaligned, TileUnaligned)
{
    FORWARD_BODY(TileUnaligned, false);
}

INPUT(160x160, Tile160x160)
{
    INPUT_BODY(Tile160x160, true);
}

INPUT(128x128, Tile128x128)
{
    INPUT_BODY(Tile128x128, true);
}

INPUT(80x160, Tile80x160)
{
    INPUT_BODY(Tile80x160, true);
}

INPUT(96x128, Tile96x128)
{
    INPUT_BODY(Tile96x128, true);
}

INPUT(64x64, Tile64x64)
{
    INPUT_BODY(Tile64x64, true);
}

INPUT(Unaligned, TileUnaligned)
{
    INPUT_BODY(TileUnaligned, false);
}

#if defined(WEIGHT)

WEIGHT(160x160, Tile160x160)
{
    WEIGHT_BODY(Tile160x160, true);
}

WEIGHT(128x128, Tile128x128)
{
    WEIGHT_BODY(Tile128x128, true);
}

WEIGHT(80x160, Tile80x160)
{
    WEIGHT_BODY(Tile80x160, true);
}

WEIGHT(96x128, Tile96x128)
{
    WEIGHT_BODY(Tile96x128, true);
}

WEIGHT(64x64, Tile64x64)
{
    WEIGHT_BODY(Tile64x64, true);
}

WEIGHT(Unaligned, TileUnaligned)
{
    WEIGHT_BODY(TileUnaligned, false);
}

#endif

#endif

FORWARD(SimtUnaligned, ScalarTile)
{
    FORWARD_BODY(ScalarTile, false);
}

INPUT(SimtUnaligned, ScalarTile)
{
    INPUT_BODY(ScalarTile, false);
}

#if defined(WEIGHT)

WEIGHT(SimtUnaligned, ScalarTile)
{
    WEIGHT_BODY(ScalarTile, false);
}

#endif
