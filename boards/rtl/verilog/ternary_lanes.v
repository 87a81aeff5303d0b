// P accumulators fed by one input a cycle: each adds it, subtracts it or rests, by its two-bit weight.
// There is no multiplier. Weight codes are two's complement: 00 is 0, 01 is +1, 11 is -1.
// Exactly LANES * ACC_BITS flip-flops; the synthesis check counts them.
module ternary_lanes #(
    parameter LANES = 64,
    parameter ACC_BITS = 32
) (
    input wire clk,
    input wire clear,  // all accumulators to zero; wins over the others
    input wire shift,  // every accumulator takes its upper neighbour's value: the head leaves
    input wire accumulate,
    input wire signed [7:0] value,
    input wire [2*LANES-1:0] weights,  // lane 0 in the lowest bits
    output wire signed [ACC_BITS-1:0] head  // accumulator of lane 0
);
    wire [ACC_BITS-1:0] extended = {{(ACC_BITS - 8) {value[7]}}, value};
    wire [(LANES+1)*ACC_BITS-1:0] chain;  // lane l in bits l * ACC_BITS and up, zeros above the last lane

    assign chain[LANES*ACC_BITS+:ACC_BITS] = {ACC_BITS{1'b0}};
    assign head = chain[ACC_BITS-1:0];

    genvar lane;
    generate
        for (lane = 0; lane < LANES; lane = lane + 1) begin : lanes
            reg [ACC_BITS-1:0] sum;
            wire active = weights[2*lane];
            wire minus = weights[2*lane+1];
            wire [ACC_BITS-1:0] addend = extended ^ {ACC_BITS{minus}};  // one adder does both: a - b = a + ~b + 1
            wire [ACC_BITS-1:0] total = sum + addend + {{(ACC_BITS - 1) {1'b0}}, minus};
            assign chain[lane*ACC_BITS+:ACC_BITS] = sum;
            always @(posedge clk)
                if (clear) sum <= {ACC_BITS{1'b0}};
                else if (shift) sum <= chain[(lane+1)*ACC_BITS+:ACC_BITS];
                else if (accumulate && active) sum <= total;
        end
    endgenerate
endmodule
